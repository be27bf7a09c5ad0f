//! Gives each gallery's address one spelling. What the browser remembers of a gallery must not
//! depend on how a link spells its address.

/// Returns the address of a gallery's folder, ending in a slash, for an absolute URL as the browser
/// writes it. Escapes that are not needed are undone, and doubled slashes become one. Returns
/// `None` for anything but a folder on a web server.
pub fn canonical(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() || host.contains('@') || path.contains(['?', '#']) {
        return None;
    }
    let path = plain(path);
    let parts = path.split('/').filter(|part| !part.is_empty());
    let path: String = parts.map(|part| format!("{part}/")).collect();
    Some(format!("{scheme}://{host}/{path}"))
}

/// Returns whether this address is on the visitor's own machine.
pub fn is_local(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    name == "localhost" || name.ends_with(".localhost") || name == "[::1]" || is_loopback(name)
}

fn is_loopback(name: &str) -> bool {
    name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Undoes escapes of letters, digits and `-._~`, which mean the same with and without, and writes
/// the others in upper case.
fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        rest = match code {
            Some(code) if code.is_ascii_alphanumeric() || b"-._~".contains(&code) => {
                out.push(char::from(code));
                &after[2..]
            }
            Some(code) => {
                out.push_str(&format!("%{code:02X}"));
                &after[2..]
            }
            None => {
                out.push('%');
                after
            }
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_one() {
        let expected = "https://example.org/a/letters%2Fx/";
        for url in [
            "https://example.org/a/letters%2Fx",
            "https://example.org/a/letters%2fx/",
            "https://example.org/%61//le%74ters%2fx//",
        ] {
            assert_eq!(canonical(url).as_deref(), Some(expected), "{url}");
        }
        assert_eq!(canonical("http://localhost:8000").as_deref(), Some("http://localhost:8000/"));
    }

    #[test]
    fn this_machine_has_several_names() {
        for url in
            ["http://localhost:8000/", "http://127.0.0.1/x/", "http://[::1]:8000/", "http://a.localhost/"]
        {
            assert!(is_local(url), "{url}");
        }
        for url in
            ["https://localhost.example.org/", "http://[2001:db8::1]/", "https://example.org/127.0.0.1/"]
        {
            assert!(!is_local(url), "{url}");
        }
    }

    #[test]
    fn what_is_no_folder_on_a_web_server_is_refused() {
        for url in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/",
            "https://a@example.org/x/",
            "https://example.org/x/?y",
            "https://example.org/x/#y",
            "https:///x",
        ] {
            assert_eq!(canonical(url), None, "{url}");
        }
    }
}
