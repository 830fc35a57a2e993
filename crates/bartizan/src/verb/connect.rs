//! `connect [SERVER]`: has the user sign in at an MCP server. The browser ends at a port of this command's own on
//! loopback, so whoever is lured into following somebody else's link gives away nothing: on her machine nobody listens.

use std::{
    io::BufRead as _,
    process::{Command, Stdio},
    time::Duration,
};

use bartizan_identity::oauth::{Address, Method as ClientMethod, registration};
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{text, time};
use crate::{
    cli::{Connect, Global},
    exit::Exit,
    failure::Failure,
    link::{Absent, Link},
    output::{Output, table},
};

const PATH: &str = "/connected";
/// Longest request of a browser, in bytes.
const REQUEST_BYTES_MAX: usize = 32 << 10;

/// Runs the verb.
pub(crate) async fn run(global: &Global, out: Output, connect: &Connect) -> Result<Exit, Failure> {
    if let Some(document) = &connect.document {
        let redirect = redirect(connect.port);
        let document = registration(Some(document), &redirect, ClientMethod::None);
        out.emit(&document, |out| writeln!(out, "{document:#}"))?;
        return Ok(Exit::Done);
    }
    let link = Link::connect(global, Absent::Fail)?;
    match &connect.server {
        None => list(&link, out).await?,
        Some(server) if connect.forget => {
            let answer = post(&link, "/v1/connections/forget", &asked(connect, server, "")).await?;
            out.emit(&answer, |out| {
                let back = if answer["given_back"] == true {
                    "; the token was given back"
                } else {
                    "; the server takes no tokens back, so end it in your account there, too"
                };
                writeln!(
                    out,
                    "{} is no longer connected to `{server}`{back}",
                    text(&answer["for"])
                )
            })?;
        }
        Some(server) => sign_in(&link, out, connect, server).await?,
    }
    link.close().await?;
    Ok(Exit::Done)
}

fn redirect(port: u16) -> String {
    format!("http://127.0.0.1:{port}{PATH}")
}

fn asked(connect: &Connect, server: &str, redirect: &str) -> Value {
    let mut body = json!({ "server": server, "redirect": redirect });
    for (key, value) in [
        ("user", &connect.user),
        ("agent", &connect.agent),
        ("issuer", &connect.issuer),
    ] {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    body
}

async fn post(link: &Link, path: &str, body: &Value) -> Result<Value, Failure> {
    link.ask(&Method::POST, path, body.to_string().into_bytes()).await
}

async fn list(link: &Link, out: Output) -> Result<(), Failure> {
    let answer = link.read("/v1/connections").await?;
    let mut rows = Vec::new();
    for one in answer["waiting"].as_array().into_iter().flatten() {
        let state = if one["more"] == true {
            "wants more"
        } else {
            "waits"
        };
        rows.push(vec![
            text(&one["server"]),
            who(&one["holder"]),
            state.to_owned(),
            time(&one["since"]),
            "–".to_owned(),
            text(&one["scope"]),
        ]);
    }
    for one in answer["granted"].as_array().into_iter().flatten() {
        let ends = if one["renews"] == true {
            "renewed".to_owned()
        } else {
            time(&one["expires"])
        };
        let scopes: Vec<String> = one["scopes"].as_array().into_iter().flatten().map(text).collect();
        rows.push(vec![
            text(&one["server"]),
            who(&one["holder"]),
            "connected".to_owned(),
            time(&one["since"]),
            ends,
            scopes.join(" "),
        ]);
    }
    let head = ["SERVER", "WHO", "STATE", "SINCE", "UNTIL", "SCOPES"];
    out.emit(&answer, |out| table(out, &head, &rows))
}

fn who(holder: &Value) -> String {
    let named = ["user", "agent"].iter().find_map(|kind| holder[kind].as_str());
    let named = named.unwrap_or("the gateway").to_owned();
    match holder["issuer"].as_str() {
        Some(issuer) if issuer != "bartizan" => format!("{named} ({issuer})"),
        _ => named,
    }
}

async fn sign_in(link: &Link, out: Output, connect: &Connect, server: &str) -> Result<(), Failure> {
    let door = if connect.paste {
        None
    } else {
        Some(door(connect.port).await?)
    };
    let port = match &door {
        None => connect.port,
        Some(door) => door.local_addr().map_or(connect.port, |address| address.port()),
    };
    let begun = post(link, "/v1/connections", &asked(connect, server, &redirect(port))).await?;
    let url = begun["url"].as_str().unwrap_or_default();
    // The page is the authorization server's choice: nothing but a web page is handed to a browser.
    Address::parse(url)
        .map_err(|fault| Failure::new(Exit::Refused, "the server's page is no web page").because(fault))?;
    let opened = !connect.no_browser && !connect.paste && open(url);
    out.emit(&begun, |out| {
        writeln!(
            out,
            "{} signs in at {}",
            text(&begun["for"]),
            text(&begun["issuer"])
        )?;
        if opened {
            writeln!(out, "a browser was opened; if none shows, open this address:")?;
        } else {
            writeln!(out, "open this address in a browser:")?;
        }
        writeln!(out, "\n  {url}\n")?;
        if connect.paste {
            writeln!(out, "then paste the address that the browser ended at:")?;
        }
        Ok(())
    })?;
    let state = begun["state"].as_str().unwrap_or_default();
    let brought = match &door {
        None => pasted()?,
        Some(door) => {
            let patience = Duration::from_secs(connect.wait);
            timeout(patience, arrival(door, state)).await.map_err(|_| {
                Failure::new(
                    Exit::Refused,
                    format!("nobody signed in within {} s", connect.wait),
                )
                .hint("run it again; `--paste` serves a browser on another machine")
            })??
        }
    };
    let Arrived { query, browser } = brought;
    let done = finish(link, state, &query).await;
    if let Some(browser) = browser {
        answer(browser, done.as_ref().err()).await;
    }
    let done = done?;
    out.emit(&done, |out| {
        let scopes: Vec<String> = done["scopes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        let scopes = if scopes.is_empty() {
            String::new()
        } else {
            format!(" with `{}`", scopes.join(" "))
        };
        writeln!(out, "{} is connected to `{server}`{scopes}", text(&done["for"]))
    })
}

async fn door(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!("port {port} of this machine, where the browser would end, is taken"),
        )
        .hint("`--port 0` takes a free one; some servers then want to be told again who we are")
        .because(error)
    })
}

/// Opens the user's browser. No shell sees the address.
fn open(url: &str) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let graphical = cfg!(target_os = "macos")
        || std::env::var_os("DISPLAY").is_some()
        || std::env::var_os("WAYLAND_DISPLAY").is_some();
    if !graphical {
        return false;
    }
    Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}

/// What the browser brought, and the connection that it waits on.
struct Arrived {
    query: Vec<(String, String)>,
    browser: Option<TcpStream>,
}

/// Waits for the request that carries our state; what else knocks is told that there is nothing here.
async fn arrival(door: &TcpListener, state: &str) -> Result<Arrived, Failure> {
    loop {
        let Ok((mut browser, _)) = door.accept().await else {
            continue;
        };
        let read = timeout(Duration::from_secs(5), request_target(&mut browser)).await;
        let query = read.ok().flatten().and_then(|target| query_of(&target));
        match query.filter(|query| value(query, "state") == Some(state)) {
            Some(query) => {
                return Ok(Arrived {
                    query,
                    browser: Some(browser),
                });
            }
            None => reply(browser, "404 Not Found", "There is nothing here.").await,
        }
    }
}

/// The target of a GET request.
async fn request_target(browser: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0_u8; 4096];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = browser.read(&mut piece).await.ok()?;
        if read == 0 || bytes.len() > REQUEST_BYTES_MAX {
            return None;
        }
        bytes.extend_from_slice(piece.get(..read)?);
    }
    let head = String::from_utf8(bytes).ok()?;
    let mut words = head.lines().next()?.split(' ');
    (words.next()? == "GET").then(|| words.next().map(str::to_owned))?
}

/// The members of a target at our path.
fn query_of(target: &str) -> Option<Vec<(String, String)>> {
    let (path, query) = target.split_once('?')?;
    if path != PATH {
        return None;
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut all: Vec<(String, String)> = Vec::new();
    for pair in pairs {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key)?;
        // A member that stands twice can be read in two ways.
        if all.iter().any(|(known, _)| *known == key) {
            return None;
        }
        all.push((key, decode(value)?));
    }
    Some(all)
}

fn value<'q>(query: &'q [(String, String)], key: &str) -> Option<&'q str> {
    let found = query.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value.as_str())
}

/// Percent-decodes a form value.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                out.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b'+' => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// Reads the address that the browser ended at.
fn pasted() -> Result<Arrived, Failure> {
    let mut line = String::new();
    let fault =
        |error| Failure::new(Exit::Files, "the address can't be read from standard input").because(error);
    std::io::stdin().lock().read_line(&mut line).map_err(fault)?;
    let line = line.trim();
    let target = line.find(PATH).and_then(|at| line.get(at..)).and_then(query_of);
    let query = target.ok_or_else(|| {
        Failure::new(Exit::Usage, "that is not the address that the browser ended at")
            .hint(format!("it begins with `http://127.0.0.1:` and holds `{PATH}?`"))
    })?;
    Ok(Arrived { query, browser: None })
}

async fn finish(link: &Link, state: &str, query: &[(String, String)]) -> Result<Value, Failure> {
    let brought = value(query, "state").unwrap_or_default();
    if brought != state {
        return Err(Failure::new(
            Exit::Refused,
            "the browser's answer is of another sign-in than this one",
        )
        .hint("run `bartizan connect` again, and follow the address that it prints"));
    }
    let body = json!({
        "state": brought, "code": value(query, "code"), "iss": value(query, "iss"), "error": value(query, "error"),
    });
    post(link, "/v1/connections/finish", &body).await
}

async fn answer(browser: TcpStream, fault: Option<&Failure>) {
    let (status, said) = match fault {
        None => ("200 OK", "Connected. This page can be closed."),
        Some(_) => ("400 Bad Request", "It did not work. The terminal says why."),
    };
    reply(browser, status, said).await;
}

async fn reply(mut browser: TcpStream, status: &str, said: &str) {
    let page = format!("<!doctype html><meta charset=utf-8><title>Bartizan</title><p>{said}\n");
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         content-security-policy: default-src 'none'\r\nreferrer-policy: no-referrer\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n{page}",
        page.len()
    );
    // A browser that went away needs no page.
    let _told = timeout(Duration::from_secs(2), browser.write_all(text.as_bytes())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_in_one_way_or_not_at_all() {
        let query = query_of("/connected?code=a%2Fb+c&state=s&iss=https%3A%2F%2Fas.example").unwrap();
        assert_eq!(value(&query, "code"), Some("a/b c"));
        assert_eq!(value(&query, "iss"), Some("https://as.example"));
        for bad in [
            "/connected",
            "/other?code=a",
            "/connected?code=a&code=b",
            "/connected?%63ode=a&code=b",
            "/connected?code=%2",
            "/connected?code=%zz",
            "/connected?code=%ff",
        ] {
            assert_eq!(query_of(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn only_the_request_with_our_state_is_taken() {
        let door = door(0).await.unwrap();
        let address = door.local_addr().unwrap();
        let knock = move |target: &'static str| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
                .await
                .unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        };
        let browser = tokio::spawn(async move {
            for strange in [
                "/favicon.ico",
                "/connected?code=evil&state=other",
                "/connected?code=evil",
            ] {
                assert!(knock(strange).await.starts_with("HTTP/1.1 404"));
            }
            knock("/connected?code=good&state=mine").await
        });
        let arrived = arrival(&door, "mine").await.unwrap();
        assert_eq!(value(&arrived.query, "code"), Some("good"));
        answer(arrived.browser.unwrap(), None).await;
        assert!(browser.await.unwrap().contains("Connected"));
    }
}
