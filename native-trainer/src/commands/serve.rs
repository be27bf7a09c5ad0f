//! `tailor serve`: the studio and a gallery on this machine.

use std::sync::Arc;

use crate::cli::ServeArgs;
use crate::error::Error;
use crate::gallery::folder::Gallery;
use crate::gallery::serve::Site;
use crate::say;
use crate::system::output::print;
use crate::system::status::on_signal;

/// Runs `tailor serve` until Ctrl-C.
///
/// # Errors
/// When there is no gallery or no built site, or the port is taken.
pub fn run(args: &ServeArgs) -> Result<(), Error> {
    let gallery = Gallery::open(&args.gallery)?;
    if let Some(missing) = gallery.missing() {
        say!("note: the studio lists the whole gallery, of which these classes were not fetched: {missing}");
    }
    let site = Site { root: args.site.clone(), gallery: gallery.folder, name: gallery.index.id };
    if !site.root.join("index.html").is_file() {
        return Err(Error::Refused {
            what: format!("there is no studio in {}: it holds no index.html", site.root.display()),
            help: "in the clone of tailor, `just site` builds it into web/dist: go there, or name it with --site"
                .to_owned(),
        });
    }
    let running = Arc::new(site.start(args.port)?);
    // Before anybody knows the address: connections could take what this needs.
    let stopper = Arc::clone(&running);
    let serve = |reason: String| Error::Serve { port: args.port, reason };
    on_signal(move |_| stopper.stop()).map_err(|e| serve(e.to_string()))?;
    // Whoever cannot be told the address may know it: a log that is full or gone is no reason not to serve.
    if let Err(error) = print(&format!("{}\nCtrl-C ends it.\n", running.url())) {
        say!("note: {error}");
    }
    if args.open && open::that_detached(running.url()).is_err() {
        say!("no browser could be opened: open the address above yourself");
    }
    running.wait()
}
