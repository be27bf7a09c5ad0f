//! `tailor completions` and `tailor man`: the command line for shells and for `man`.

use std::path::Path;

use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;
use crate::files::{WriteError, create_folder, write_atomic};
use crate::output::print;

/// Prints the completion script of `shell`.
///
/// # Errors
/// [`Error::Write`] when standard output cannot be written.
pub fn completions(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::definition(), "tailor", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes `tailor.1` and a page for each command to `folder`.
///
/// # Errors
/// [`Error::Write`] names the file.
pub fn pages(folder: &Path) -> Result<(), Error> {
    create_folder(folder)?;
    let mut tailor = Cli::definition();
    tailor.build();
    page(folder, "tailor", &tailor)
}

/// The page of a command, and those of the commands below it.
fn page(folder: &Path, name: &str, command: &clap::Command) -> Result<(), Error> {
    let below = command.get_subcommands().filter(|c| c.get_name() != "help");
    below.into_iter().try_for_each(|c| page(folder, &format!("{name}-{}", c.get_name()), c))?;
    let path = folder.join(format!("{name}.1"));
    let mut roff = Vec::new();
    let named = command.clone().display_name(name.to_owned());
    let rendered = clap_mangen::Man::new(named).render(&mut roff);
    rendered.map_err(|source| WriteError { path: path.clone(), source })?;
    Ok(write_atomic(&path, &roff)?)
}
