//! The command line for shells and for `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::Cli;

/// `tailor completions`
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example, for the present shell and, in ~/.bashrc, for every one:\n  source <(tailor completions bash)"
)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    /// The completion script of the shell asked for.
    pub fn script(&self) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::definition(), "tailor", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

/// `tailor man`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  tailor man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder of the pages
    #[arg(value_name = "DIR")]
    pub out: PathBuf,
}

impl ManArgs {
    /// The pages: `tailor.1` and one for each command, the name and the content of each.
    ///
    /// # Errors
    /// What a page's writer says, which writes into memory.
    pub fn pages(&self) -> std::io::Result<Vec<(String, Vec<u8>)>> {
        let mut tailor = Cli::definition();
        tailor.build();
        let mut pages = Vec::new();
        add_page("tailor", &tailor, &mut pages)?;
        Ok(pages)
    }
}

/// Adds the pages of the commands below a command, and its own.
fn add_page(name: &str, command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let mut below = command.get_subcommands().filter(|c| c.get_name() != "help");
    below.try_for_each(|c| add_page(&format!("{name}-{}", c.get_name()), c, pages))?;
    let mut roff = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name.to_owned())).render(&mut roff)?;
    pages.push((format!("{name}.1"), roff));
    Ok(())
}
