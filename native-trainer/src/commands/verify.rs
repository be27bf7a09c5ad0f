//! `tailor verify`: whether a pack, or every file of a gallery, is what it should be.

use crate::cli::VerifyArgs;
use crate::error::Error;
use crate::gallery::verify::verify;
use crate::system::output::{json, print, shown};

/// Runs `tailor verify`: one line per problem, and one for each file or gallery that is well.
///
/// # Errors
/// [`Error::Unsound`] when there was a problem, or what keeps the only thing asked for from being opened.
pub fn run(args: &VerifyArgs) -> Result<(), Error> {
    let (mut files, mut problems, mut well) = (0, Vec::new(), Vec::new());
    let mut missing: Vec<String> = Vec::new();
    for path in &args.paths {
        match verify(path, args.public_key.as_deref()) {
            Ok(found) => {
                files += found.verdict.files;
                missing.extend(found.missing);
                if found.verdict.problems.is_empty() {
                    // Of several the line says which it is of.
                    let of = if args.paths.len() > 1 { format!("{}: ", shown(path)) } else { String::new() };
                    well.push(of + &found.well);
                }
                problems.extend(found.verdict.problems);
            }
            Err(error) if args.paths.len() == 1 => return Err(error),
            Err(error) => {
                files += 1;
                problems.push(error);
            }
        }
    }
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if args.json {
        let missing = Some(missing.join(", ")).filter(|missing| !missing.is_empty());
        print(&json(&serde_json::json!({ "files": files, "problems": lines, "not_fetched": missing })))?;
    } else {
        print(&(well.iter().chain(&lines).map(|line| format!("{line}\n")).collect::<String>()))?;
    }
    match problems.len() {
        0 => Ok(()),
        problems => Err(Error::Unsound { problems, files }),
    }
}
