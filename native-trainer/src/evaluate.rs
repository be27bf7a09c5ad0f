//! Not there yet.
/// Not there yet.
pub fn run(_: &crate::cli::EvaluateArgs) -> Result<(), crate::Error> {
    Err(crate::Error::Refused { what: "not there yet".into(), help: String::new() })
}
