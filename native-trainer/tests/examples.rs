//! Every example that `--help` prints works when pasted.
//!
//! They run in a folder with the galleries of a clone, and with the pictures that they name. Only the model is
//! made `tiny` and long runs are cut short, so that all take seconds.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const TAILOR: &str = env!("CARGO_BIN_EXE_tailor");

/// Examples by the command that they show, in the order of the help, each as one line.
fn examples() -> BTreeMap<String, Vec<String>> {
    let help = |command: &str| {
        let output = Command::new(TAILOR).args(command.split(' ').skip(1)).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut commands = vec!["tailor".to_owned()];
    let (mut found, mut i) = (BTreeMap::new(), 0);
    while let Some(command) = commands.get(i).cloned() {
        let text = help(&command);
        let below = text.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or("");
        let names = below.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        commands.extend(names.map(|name| format!("{command} {name}")));
        let text = text.replace("\\\n", " ");
        let lines = text.lines().map(str::trim).filter(|line| {
            line.starts_with("tailor ") && !line.contains("[OPTIONS]") && !line.contains("<COMMAND>")
                || line.starts_with("source ")
        });
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        assert!(!lines.is_empty(), "{command} --help has no example");
        found.insert(command, lines);
        i += 1;
    }
    found
}

fn images(folder: &Path, count: u8) {
    fs::create_dir_all(folder).unwrap();
    for n in 0..count {
        let shade = |x: u32, y: u32| image::Luma([(x * 7 + y * u32::from(n)) as u8]);
        image::GrayImage::from_fn(32, 32, shade).save(folder.join(format!("{n}.png"))).unwrap();
    }
}

fn idx(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let file = |name: &str, header: &[u32], values: usize| {
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend((0..values).map(|i| (i % 4) as u8));
        fs::write(folder.join(name), bytes).unwrap();
    };
    file("train-images-idx3-ubyte", &[0x803, 8, 28, 28], 8 * 28 * 28);
    file("train-labels-idx1-ubyte", &[0x801, 8], 8);
}

#[test]
fn every_example_of_the_help_works_when_pasted() {
    let home = tempfile::tempdir().unwrap();
    let at = |path: &str| home.path().join(path);
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/galleries/letters");
    let shipped = |folder: &Path| -> BTreeMap<_, _> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect()
    };
    fs::create_dir_all(at("web/galleries/letters")).unwrap();
    for (name, bytes) in shipped(&clone) {
        fs::write(at("web/galleries/letters").join(name), bytes).unwrap();
    }
    for data in ["my-images", "letters", "greek"] {
        images(&at(data).join("latin-capital-a"), 24);
        images(&at(data).join("latin-capital-b"), 24);
    }
    images(&at("greek/greek-small-xi"), 24);
    images(&at("images/alpha"), 24);
    idx(&at("fashion-mnist"));
    // A folder of several classes that the gallery does not have.
    images(&at("icons/arrow"), 24);
    images(&at("icons/cross"), 24);
    for kind in ["pt", "safetensors"] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/reference/fixtures/dit")
            .with_extension(kind);
        fs::copy(fixture, at("small-dit").with_extension(kind)).unwrap();
    }
    fs::write(at("some.toml"), "classes = [\"A\"]").unwrap();
    let arms = "[[arms]]\nname = \"usual\"\n[[arms]]\nname = \"slow\"\ntraining.learning_rate = 3e-4\n";
    let shared = "preset = \"tiny\"\ntraining = { steps = 2, batch_size = 2, sample_every = 0 }\n";
    fs::write(at("rates.toml"), format!("data = \"letters\"\nseeds = [0, 1]\n{shared}{arms}")).unwrap();
    fs::create_dir_all(at("web/dist")).unwrap();
    fs::write(at("web/dist/index.html"), "page").unwrap();
    fs::create_dir_all(at("bin")).unwrap();
    std::os::unix::fs::symlink(TAILOR, at("bin/tailor")).unwrap();
    let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
    let paste = |line: &str| {
        let mut shell = Command::new("bash");
        shell.args(["-euc", line]).current_dir(home.path()).env("HOME", home.path()).env("PATH", &path);
        // Where a person would be asked for the password of a key.
        let output = shell.env("TAILOR_KEY_PASSWORD", "correct horse").output().unwrap();
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    let shortened = |line: &str| {
        let command = line.split(' ').nth(1).unwrap();
        let line = line.replace("--preset letters", "--preset tiny").replace(" --open", "");
        match command {
            "train" => {
                let tiny =
                    if line.contains("--preset") || line.contains("--resume") { "" } else { "--preset tiny" };
                format!("{line} {tiny} --batch-size 2 --sample-every 0 --max-minutes 0.01")
            }
            "train-tailor" => format!("{line} --steps 3 --batch-size 2 --sample-every 0"),
            "evaluate" => line.replace("--per-class 100", "--per-class 20"),
            "leakage" => format!("{line} --per-class 1 --steps 1"),
            "bench" => format!("{line} --steps 1 --batch-size 2"),
            "finetune" if line.contains("--list") => line,
            "finetune" => {
                // Without Burn there is full fine-tuning, which has no rank.
                let line = match cfg!(feature = "graph") {
                    true => line,
                    false => line.replace("--method lora", "--method full").replace("--rank 8", ""),
                };
                format!("{line} --steps 2 --batch-size 2 --sample-every 0")
            }
            // The file is one of the test's own.
            "experiment" => line,
            "fetch" => {
                let gallery = line.split("example.org/").nth(1).unwrap().split(' ').next().unwrap();
                let folder = if at(gallery).exists() { gallery.to_owned() } else { format!("web/{gallery}") };
                let line = line.replace("https://example.org", "http://127.0.0.1:8473");
                format!("tailor serve {folder} --port 8473 & {line}; kill -INT $!; wait $!")
            }
            // It serves until somebody ends it.
            "serve" => format!("{line} & sleep 1; kill -INT $!; wait $!"),
            _ => line,
        }
    };
    let mut examples = examples();
    let run = |examples: &mut BTreeMap<String, Vec<String>>, command: &str| {
        let lines = examples.remove(command).unwrap_or_else(|| panic!("there is no {command}"));
        lines.iter().for_each(|line| paste(&shortened(line)));
    };
    run(&mut examples, "tailor");
    run(&mut examples, "tailor publish");
    run(&mut examples, "tailor keygen");
    for command in ["import", "import dit", "export"] {
        run(&mut examples, &format!("tailor {command}"));
    }
    run(&mut examples, "tailor train-tailor");
    for class in ["beta", "greek-small-xi"] {
        let line = "tailor train-tailor images/alpha --learngene galleries/mine";
        paste(&shortened(&format!("{line} --class {class} --out {class}.tailor")));
    }
    for command in ["gallery", "gallery add", "gallery remove", "gallery sign"] {
        run(&mut examples, &format!("tailor {command}"));
        paste("rm -f galleries/mine/*.minisig");
        paste("tailor gallery add galleries/mine alpha.tailor greek-small-xi.tailor");
    }
    paste("tailor gallery sign galleries/mine --key mine.key");
    let others = ["sample", "inspect", "verify", "fetch", "serve", "bench", "evaluate", "leakage", "report"];
    for command in
        others.into_iter().chain(["finetune", "experiment", "experiment report", "completions", "man"])
    {
        if ["evaluate", "leakage"].contains(&command) && !cfg!(feature = "graph") {
            // The classifier is made of Burn, which this build leaves out.
            examples.remove(&format!("tailor {command}"));
            continue;
        }
        run(&mut examples, &format!("tailor {command}"));
    }
    // The other run of the same name would go on.
    paste("rm -r runs/mine");
    run(&mut examples, "tailor train");
    assert!(examples.is_empty(), "not tried: {:?}", examples.keys());
    assert!(
        shipped(&at("web/galleries/letters")) == shipped(&clone),
        "an example changed a gallery that ships"
    );
}
