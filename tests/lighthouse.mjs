// Prints the median of each category over several reports of Lighthouse, and what took points away. Fails where a
// median is below what the studio promises.

import { readFileSync } from "node:fs";

const PROMISED = { performance: 90, accessibility: 95, "best-practices": 95 };

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
let kept = true;
for (const [name, least] of Object.entries(PROMISED)) {
  const scores = reports.map((report) => Math.round(100 * report.categories[name].score)).sort((a, b) => a - b);
  const median = scores[Math.floor(scores.length / 2)];
  kept &&= median >= least;
  console.log(`${name}: ${median} (${scores.join(" ")}), promised ${least}`);
}
// Below 1000, another program took this machine's time, and the performance says little.
console.log(`speed of this machine: ${reports.map((report) => report.environment.benchmarkIndex).join(" ")}`);
const last = reports.at(-1);
for (const audit of Object.values(last.audits)) {
  const counts = Object.values(last.categories).some((c) => c.auditRefs.some((r) => r.id === audit.id && r.weight > 0));
  if (counts && audit.score !== null && audit.score < 1) {
    console.log(`  ${audit.id}: ${audit.title}${audit.displayValue ? `, ${audit.displayValue}` : ""}`);
  }
}
if (!kept) process.exit(1);
