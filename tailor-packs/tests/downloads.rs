//! Every way in which a server can be wrong ends in the file or in a sentence.

use std::time::Duration;
use tailor_packs::download::*;
use tailor_packs::{FileEntry, limits::CHUNK};

const SIZE: usize = 3 * CHUNK + 1000;

fn file() -> Vec<u8> {
    (0..SIZE).map(|i| (i * 31 + i / 977) as u8).collect()
}

/// What a server answers to a request, with the body's pieces and how it ends.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    end: Option<Failure>,
}

impl Reply {
    fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body, end: None }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn ending(mut self, end: Failure) -> Self {
        self.end = Some(end);
        self
    }
}

/// A server that is as it should be.
fn good(request: &Request, file: &[u8], etag: &str) -> Reply {
    let part = request.range.as_ref().map(|range| {
        let (a, b) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        a.parse::<usize>().unwrap()..b.parse::<usize>().unwrap() + 1
    });
    let same = request.if_range.as_ref().is_none_or(|known| known == etag);
    let reply = match part {
        Some(part) if same => {
            let range = format!("bytes {}-{}/{}", part.start, part.end - 1, file.len());
            Reply::new(206, file[part].to_vec()).with("content-range", range)
        }
        _ => Reply::new(200, file.to_vec()),
    };
    let length = reply.body.len();
    reply.with("content-length", length).with("etag", etag)
}

#[derive(Debug, Default)]
struct Run {
    requests: Vec<Option<String>>,
    chunks: Vec<usize>,
    retries: Vec<(u32, Option<Duration>)>,
    error: Option<Problem>,
}

/// Downloads with whatever `server` answers to request number n.
fn run(download: Download, mut server: impl FnMut(usize, &Request) -> Result<Reply, Failure>) -> Run {
    let (mut download, original, mut run) = (download, file(), Run::default());
    while let Some(request) = download.request() {
        assert!(run.requests.len() < 50, "it never ends");
        run.requests.push(request.range.clone());
        let step = match server(run.requests.len() - 1, &request) {
            Err(failure) => download.failed(failure),
            Ok(reply) => {
                let get = |name: &str| reply.headers.iter().find(|h| h.0 == name).map(|h| h.1.as_str());
                let answer = Answer {
                    status: reply.status,
                    content_range: get("content-range"),
                    content_length: get("content-length"),
                    content_type: get("content-type"),
                    content_encoding: get("content-encoding"),
                    etag: get("etag"),
                    retry_after: get("retry-after"),
                    elsewhere: get("elsewhere"),
                    now: 1_445_412_000,
                };
                download.answer(&answer).and_then(|mut step| {
                    // Pieces that never fall together with a chunk's bounds.
                    let mut pieces = reply.body.chunks(300_007);
                    while step == Step::Read {
                        let Some(piece) = pieces.next() else {
                            return match reply.end {
                                Some(end) => download.failed(end),
                                None => download.ended(),
                            };
                        };
                        step = download.bytes(piece, |number, chunk| {
                            let range = number * CHUNK..(number * CHUNK + chunk.len());
                            assert_eq!(chunk, &original[range], "chunk {number}");
                            run.chunks.push(number);
                        })?;
                    }
                    Ok(step)
                })
            }
        };
        match step {
            Ok(Step::Retry { attempt, at_least }) => run.retries.push((attempt, at_least)),
            Ok(Step::Next) => {}
            Ok(Step::Done) => assert!(download.is_done()),
            Ok(Step::Read) => panic!("nothing to read"),
            Err(error) => {
                assert!(error.to_string().len() > 40, "{error}");
                run.error = Some(error.problem);
                return run;
            }
        }
    }
    assert_eq!(download.received(), SIZE as u64);
    run
}

fn entry() -> FileEntry {
    FileEntry::of("a.tailor", &file())
}

fn fresh() -> Download {
    Download::new(&entry())
}

/// A download of which chunk 1 is there.
fn half_way() -> Download {
    Download::resume(&entry(), |n| n == 1, Some("\"v1\"".into()))
}

#[test]
fn a_good_server_is_asked_once() {
    let run = run(fresh(), |_, request| Ok(good(request, &file(), "\"v1\"")));
    assert_eq!((run.requests, run.chunks), (vec![None], vec![0, 1, 2, 3]));
}

#[test]
fn what_is_there_is_not_asked_for_again() {
    let mut conditions = Vec::new();
    let run = run(half_way(), |_, request| {
        conditions.push(request.if_range.clone());
        Ok(good(request, &file(), "\"v1\""))
    });
    let ranges = ["bytes=0-1048575", "bytes=2097152-3146727"].map(|r| Some(r.to_owned()));
    assert_eq!((run.requests, run.chunks), (ranges.to_vec(), vec![0, 2, 3]));
    assert_eq!(conditions, vec![Some("\"v1\"".to_owned()); 2]);
    assert!(Download::resume(&entry(), |_| true, None).request().is_none());
}

#[test]
fn another_origin_is_not_asked_what_it_would_have_to_allow_first() {
    let run = run(half_way().cross_origin(), |_, request| {
        assert_eq!(request.if_range, None);
        // Nor does it show any header.
        Ok(Reply { headers: Vec::new(), ..good(request, &file(), "\"v1\"") })
    });
    assert_eq!((run.chunks, run.error), (vec![0, 2, 3], None));
}

#[test]
fn a_connection_that_breaks_or_stalls_goes_on_at_the_very_byte() {
    for end in [Some(Failure::Broken), Some(Failure::Stalled), None] {
        let run = run(fresh(), |n, request| {
            let mut reply = good(request, &file(), "\"v1\"");
            if n < 3 {
                reply.body.truncate(700_000);
                reply.end = end;
            }
            Ok(reply)
        });
        let ranges: Vec<_> =
            [700_000, 1_400_000, 2_100_000].iter().map(|a| format!("bytes={a}-3146727")).collect();
        assert_eq!(
            run.requests.iter().skip(1).flatten().collect::<Vec<_>>(),
            ranges.iter().collect::<Vec<_>>()
        );
        assert_eq!(run.chunks, [0, 1, 2, 3]);
        // A chunk further is a new beginning.
        assert_eq!(run.retries, [(1, None), (1, None), (1, None)]);
    }
}

#[test]
fn a_connection_that_always_fails_is_given_up_with_its_reason() {
    for (failure, problem) in [
        (Failure::Unreachable, Problem::Unreachable),
        (Failure::Stalled, Problem::Stalled),
        (Failure::Broken, Problem::Broken),
    ] {
        let run = run(fresh(), |_, _| Err(failure));
        assert_eq!((run.requests.len(), run.error), (ATTEMPTS as usize, Some(problem)));
        assert_eq!(run.retries.iter().map(|r| r.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }
    let run = run(fresh(), |_, request| Ok(good(request, &[], "\"v1\"").ending(Failure::Stalled)));
    assert_eq!(run.error, Some(Problem::WrongLength { expected: SIZE as u64, found: 0 }));
}

#[test]
fn a_server_that_knows_no_ranges_sends_everything_and_what_was_there_is_kept() {
    let run = run(half_way(), |_, _| Ok(Reply::new(200, file())));
    assert_eq!((run.requests.len(), run.chunks, run.error), (1, vec![0, 2, 3], None));
}

#[test]
fn a_file_that_changed_meanwhile_is_begun_anew_and_what_was_verified_stays() {
    // A server that heeds If-Range sends the whole.
    let run1 = run(half_way(), |_, request| Ok(good(request, &file(), "\"v2\"")));
    assert_eq!((run1.requests.len(), run1.chunks), (1, vec![0, 2, 3]));
    // One that does not goes on in the middle of another file.
    let run2 = run(fresh(), |n, request| {
        let request = Request { if_range: None, ..request.clone() };
        let mut reply = good(&request, &file(), if n == 0 { "\"v1\"" } else { "\"v2\"" });
        if n == 0 {
            reply.body.truncate(CHUNK + 500);
        }
        Ok(reply)
    });
    assert_eq!(run2.requests[1..], [1_049_076, 1_048_576].map(|a| Some(format!("bytes={a}-3146727"))));
    assert_eq!((run2.chunks, run2.error), (vec![0, 1, 2, 3], None));
}

#[test]
fn a_damaged_chunk_is_asked_for_again_and_never_handed_out() {
    let damage = |times: usize| {
        run(fresh(), move |n, request| {
            assert_eq!(request.fresh, n > 0);
            let mut reply = good(request, &file(), "\"v1\"");
            if n < times {
                let at = if n == 0 { CHUNK + 9 } else { 9 };
                reply.body[at] ^= 1;
            }
            Ok(reply)
        })
    };
    let once = damage(1);
    assert_eq!((once.chunks, once.error), (vec![0, 1, 2, 3], None));
    assert_eq!(once.requests, [None, Some("bytes=1048576-3146727".into())]);
    let always = damage(99);
    assert_eq!((always.chunks, always.error), (vec![0], Some(Problem::Damaged { chunk: 1 })));
    assert_eq!(always.requests.len(), DAMAGED as usize);
    assert!(Problem::Damaged { chunk: 1 }.wants_new_index());
}

#[test]
fn a_wrong_length_is_another_version_of_the_file() {
    let expected = SIZE as u64;
    let shorter = run(fresh(), |_, _| Ok(Reply::new(200, vec![0; 9]).with("content-length", 9)));
    assert_eq!(shorter.error, Some(Problem::WrongLength { expected, found: 9 }));
    let part = run(half_way(), |_, _| Ok(Reply::new(206, vec![0; 9]).with("content-range", "bytes 0-8/77")));
    assert_eq!(part.error, Some(Problem::WrongLength { expected, found: 77 }));
    assert!(part.error.unwrap().wants_new_index());
    let beyond = run(half_way(), |_, _| Ok(Reply::new(416, vec![]).with("content-range", "bytes */77")));
    assert_eq!(beyond.error, Some(Problem::WrongLength { expected, found: 77 }));
    // More than is announced, after everything that is wanted: enough.
    let longer = run(fresh(), |_, _| Ok(Reply::new(200, [file(), vec![1]].concat())));
    assert_eq!((longer.chunks.len(), longer.error), (4, None));
    // The same with the last chunk there already.
    let download = Download::resume(&entry(), |n| n == 3, None);
    let longer = run(download, |n, request| match n {
        0 => Ok(Reply::new(200, [&file()[..], &[1, 2, 3]].concat())),
        _ => Ok(good(request, &file(), "\"v1\"")),
    });
    assert_eq!((longer.chunks.len(), longer.error), (3, None));
}

#[test]
fn a_part_that_was_not_asked_for_and_a_416_lead_to_the_whole() {
    for wrong in ["bytes 5-9/3146728", "pages 1-2/3", "bytes 9-5/*"] {
        let run = run(half_way(), |n, request| match n {
            0 => Ok(Reply::new(206, vec![0; 99]).with("content-range", wrong)),
            _ => Ok(good(request, &file(), "\"v1\"")),
        });
        assert_eq!((run.requests[1].clone(), run.chunks, run.error), (None, vec![0, 2, 3], None), "{wrong}");
    }
    let run416 = run(half_way(), |n, request| match n {
        0 => Ok(Reply::new(416, vec![])),
        _ => Ok(good(request, &file(), "\"v1\"")),
    });
    assert_eq!((run416.requests.len(), run416.error), (2, None));
    let always = run(half_way(), |_, _| Ok(Reply::new(416, vec![])));
    assert_eq!((always.requests.len(), always.error), (2, Some(Problem::Status(416))));
}

#[test]
fn a_web_page_is_no_pack() {
    let page = || Reply::new(200, b"<!doctype html>".to_vec());
    for kind in ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"] {
        let run = run(fresh(), |_, _| Ok(page().with("content-type", kind)));
        assert_eq!((run.requests.len(), run.error), (1, Some(Problem::WebPage)));
    }
    for kind in ["application/octet-stream", "text/plain", "application/zip"] {
        let run = run(fresh(), |_, r| Ok(good(r, &file(), "\"v1\"").with("content-type", kind)));
        assert_eq!(run.error, None);
    }
}

#[test]
fn statuses_that_do_not_pass_are_given_up_at_once() {
    for (status, problem) in [
        (404, Problem::Missing),
        (410, Problem::Missing),
        (401, Problem::Forbidden(401)),
        (403, Problem::Forbidden(403)),
        (400, Problem::Status(400)),
        (304, Problem::Status(304)),
        (204, Problem::Status(204)),
        (0, Problem::Status(0)),
    ] {
        let run = run(fresh(), |_, _| Ok(Reply::new(status, vec![])));
        assert_eq!((run.requests.len(), run.error), (1, Some(problem)));
    }
    assert!(Problem::Missing.wants_new_index());
}

#[test]
fn statuses_that_pass_are_waited_for_as_long_as_the_server_asks() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let run = run(fresh(), |n, request| match n {
            0 => Ok(Reply::new(status, vec![]).with("retry-after", "7")),
            1 => Ok(Reply::new(status, vec![]).with("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")),
            2 => Ok(Reply::new(status, vec![]).with("retry-after", "whenever")),
            _ => Ok(good(request, &file(), "\"v1\"")),
        });
        // The test's clock says 07:20.
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(run.error, if status == 0 { None } else { Some(Problem::Later(480)) });
        assert_eq!(run.retries, [(1, seconds(7))]);
    }
    let always = run(fresh(), |_, _| Ok(Reply::new(503, vec![])));
    assert_eq!((always.requests.len(), always.error), (6, Some(Problem::Busy(503))));
    let back = run(fresh(), |n, request| match n {
        0 => Ok(Reply::new(500, vec![]).with("retry-after", "whenever")),
        1 => Ok(Reply::new(503, vec![]).with("retry-after", "Wed, 21 Oct 2015 07:20:30 GMT")),
        _ => Ok(good(request, &file(), "\"v1\"")),
    });
    assert_eq!((back.retries, back.error), (vec![(1, None), (2, Some(Duration::from_secs(30)))], None));
}

#[test]
fn a_file_known_by_its_digest_may_come_from_anywhere_and_an_index_may_not() {
    let run = run(fresh(), |_, r| Ok(good(r, &file(), "\"v1\"").with("elsewhere", "https://example.org")));
    assert_eq!((run.error, run.requests.len()), (None, 1));
    let elsewhere = Some("https://example.org/index.json");
    let answer = Answer { status: 200, elsewhere, ..Answer::default() };
    let error = SmallDownload::new("index.json", 5).answer(&answer).unwrap_err();
    assert_eq!(error.problem, Problem::Elsewhere("https://example.org/index.json".into()));
}

#[test]
fn a_compressed_index_is_named_where_nobody_undoes_it() {
    let answer = Answer { status: 200, content_encoding: Some("br"), ..Answer::default() };
    let error = SmallDownload::new("index.json", 5).raw().answer(&answer).unwrap_err();
    assert_eq!(error.problem, Problem::Encoded("br".into()));
    assert_eq!(SmallDownload::new("index.json", 5).answer(&answer), Ok(Step::Read));
}

#[test]
fn compression_on_the_way_is_harmless_where_it_is_undone_and_named_where_it_is_not() {
    let squeezed = [&[0x1f, 0x8b][..], &[5; 2000]].concat();
    let gzip =
        |body: Vec<u8>| Reply::new(200, body).with("content-encoding", "gzip").with("content-length", 2002);
    // A browser undoes it, and shows the header and the length all the same.
    let undone = run(fresh(), |_, _| Ok(gzip(file())));
    assert_eq!((undone.chunks.len(), undone.error), (4, None));
    let raw = run(fresh(), |_, _| Ok(gzip(squeezed.clone())));
    assert_eq!(raw.error, Some(Problem::Encoded("gzip".into())));
    let raw = run(fresh(), |_, _| Ok(gzip(vec![7; SIZE])));
    assert_eq!(raw.error, Some(Problem::Encoded("gzip".into())));
    // A part of something compressed is asked for as a whole instead.
    let part = run(half_way(), |n, r| match n {
        0 => Ok(good(r, &file(), "\"v1\"").with("content-encoding", "br")),
        _ => Ok(good(r, &file(), "\"v1\"").with("content-encoding", "identity")),
    });
    assert_eq!((part.requests[1].clone(), part.error), (None, None));
}

#[test]
fn validators_that_could_do_harm_are_not_sent_back() {
    for etag in ["W/\"weak\"", "none", "\"a\"\r\nCookie: b", &format!("\"{}\"", "x".repeat(999))] {
        let mut download = Download::resume(&entry(), |n| n == 1, Some(etag.to_owned()));
        assert_eq!(download.request().unwrap().if_range, None, "{etag}");
    }
}

#[test]
fn waits_double_up_to_half_a_minute_and_are_spread() {
    let longest: Vec<_> = (1..=9).map(|n| backoff(n, None, 1.0).as_secs_f64()).collect();
    assert_eq!(longest, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    assert_eq!(backoff(9, None, 0.0), Duration::ZERO);
    assert_eq!(backoff(3, Some(Duration::from_secs(7)), 0.5), Duration::from_secs(8));
    for odd in [f64::NAN, f64::INFINITY, -1.0, 2.0] {
        assert!(backoff(u32::MAX, None, odd) <= Duration::from_secs(30));
    }
}

#[test]
fn a_small_file_is_downloaded_within_its_limit() {
    let head =
        |status, length: &'static str| Answer { status, content_length: Some(length), ..Answer::default() };
    let mut small = SmallDownload::new("index.json", 5);
    assert!(matches!(small.answer(&head(503, "0")), Ok(Step::Retry { attempt: 1, .. })));
    assert_eq!(small.answer(&head(200, "4")), Ok(Step::Read));
    assert_eq!(small.bytes(b"ab"), Ok(Step::Read));
    assert!(matches!(small.ended(), Ok(Step::Retry { attempt: 2, .. })));
    assert_eq!(small.answer(&head(200, "4")), Ok(Step::Read));
    assert_eq!(small.bytes(b"abcd"), Ok(Step::Read));
    assert_eq!(small.ended(), Ok(Step::Done));
    assert_eq!(small.into_bytes(), b"abcd");
    let problem = |answer: Answer<'_>| SmallDownload::new("x", 5).answer(&answer).unwrap_err().problem;
    assert_eq!(problem(head(200, "6")), Problem::TooLarge(5));
    assert_eq!(problem(head(404, "0")), Problem::Missing);
    assert_eq!(problem(head(206, "5")), Problem::Status(206));
    let page = Answer { content_type: Some("text/html"), ..head(200, "5") };
    assert_eq!(problem(page), Problem::WebPage);
    let mut endless = SmallDownload::new("x", 5);
    assert_eq!(endless.answer(&Answer { status: 200, ..Answer::default() }), Ok(Step::Read));
    assert_eq!(endless.bytes(b"123456").unwrap_err().problem, Problem::TooLarge(5));
}
