//! Load over raw HTTP/1.1: closed loop for rates and CPU, open loop for latency.
//!
//! The client does as little as it can, so that little of the second core is its own. Closed loop: each
//! connection sends its next request when the last is answered. Open loop: requests are due at fixed times and
//! their latency counts from when they were due, so a server that stalls can't hide the wait of those behind.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What was sent, to whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    /// The whole request, ready to be written.
    pub(crate) request: Vec<u8>,
}

impl Target {
    /// A POST of JSON with more headers.
    pub(crate) fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        Self {
            address: address.to_owned(),
            request,
        }
    }

    /// The request of one connection among many: a JSON-RPC id of [`FIRST_ID`] becomes the connection's own, since
    /// MCP forbids two requests of one session under one id.
    fn of_connection(&self, number: usize) -> Vec<u8> {
        let mut request = self.request.clone();
        let marker = format!("\"id\":{FIRST_ID}");
        let own = format!("\"id\":{}", FIRST_ID + number);
        let at = request
            .windows(marker.len())
            .position(|window| window == marker.as_bytes());
        if let Some(place) = at.and_then(|at| request.get_mut(at..at + marker.len()))
            && own.len() == place.len()
        {
            place.copy_from_slice(own.as_bytes());
        }
        request
    }
}

/// The JSON-RPC id that each connection replaces by its own; three digits, as theirs have.
pub(crate) const FIRST_ID: usize = 100;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answered with 200.
    pub(crate) completed: u64,
    /// Seconds over which `completed` was counted.
    pub(crate) seconds: f64,
    /// Microseconds each took, sorted.
    pub(crate) latencies: Vec<u32>,
}

impl Outcome {
    /// The latency that `share` of the requests did not exceed, in microseconds.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.latencies.len().checked_sub(1)?;
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).map(|us| f64::from(*us))
    }

    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.completed as f64 / self.seconds
    }
}

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer's head and whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|fault| format!("{address}: {fault}"))?;
        stream
            .set_nodelay(true)
            .map_err(|fault| format!("{address}: {fault}"))?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(8192),
        })
    }

    /// One that is open already.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(1024),
        }
    }

    /// Writes a request.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.stream
            .write_all(request)
            .await
            .map_err(|fault| format!("send: {fault}"))
    }

    /// Reads more; an end is a fault.
    async fn fill(&mut self) -> Result<(), String> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(_) => Ok(()),
            Err(fault) => Err(format!("receive: {fault}")),
        }
    }

    /// Reads an answer's head and takes it off the buffer.
    pub(crate) async fn head(&mut self) -> Result<Answer, String> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            self.fill().await?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end + 4);
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Ok(Answer {
            status: status.ok_or("no status")?,
            headers,
            body: Vec::new(),
        })
    }

    /// Reads a whole answer.
    pub(crate) async fn answer(&mut self) -> Result<Answer, String> {
        let mut answer = self.head().await?;
        if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().map_err(|_| "content-length is no number")?;
            while self.buffer.len() < length {
                self.fill().await?;
            }
            answer.body = self.buffer.drain(..length).collect();
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await? {
                answer.body.extend_from_slice(&chunk);
            }
        }
        Ok(answer)
    }

    /// Reads a whole answer and gives its status alone: nothing of it is copied, so that a client offers thousands a second
    /// beside a backend on one core.
    pub(crate) async fn status(&mut self) -> Result<u16, String> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            self.fill().await?;
        };
        let head = std::str::from_utf8(&self.buffer[..end]).map_err(|_| "a head is no text")?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let length = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let (status, length) = status.zip(length).ok_or("an answer has no status or no length")?;
        let whole = end + 4 + length;
        while self.buffer.len() < whole {
            self.fill().await?;
        }
        self.buffer.drain(..whole);
        Ok(status)
    }

    /// Reads one chunk of a chunked body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, String> {
        let (start, length) = loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let text = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                let digits = text.split(';').next().unwrap_or_default().trim();
                break (
                    at + 2,
                    usize::from_str_radix(digits, 16).map_err(|_| "a chunk has no length")?,
                );
            }
            self.fill().await?;
        };
        while self.buffer.len() < start + length + 2 {
            self.fill().await?;
        }
        let chunk = self.buffer[start..start + length].to_vec();
        self.buffer.drain(..start + length + 2);
        Ok((length > 0).then_some(chunk))
    }

    /// One request and its answer, which must be a 200.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, String> {
        self.send(request).await?;
        let answer = self.answer().await?;
        if answer.status == 200 {
            return Ok(answer);
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(format!(
            "status {}: {}",
            answer.status,
            body.chars().take(300).collect::<String>()
        ))
    }
}

impl Answer {
    /// The first header of this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// What the connections share.
#[derive(Default)]
struct Shared {
    completed: Cell<u64>,
    counting: Cell<bool>,
    over: Cell<bool>,
    latencies: RefCell<Vec<u32>>,
    fault: RefCell<Option<String>>,
}

/// Closed loop: `connections` for `measured` seconds after a warm-up. `mark` is called at both ends of the
/// measured time (0, then 1), to read clocks of the process under measurement. Any answer but 200 fails the run.
pub(crate) async fn closed(
    target: &Target,
    connections: usize,
    warm: Duration,
    measured: Duration,
    mut mark: impl FnMut(usize),
) -> Result<Outcome, String> {
    let shared = Rc::new(Shared::default());
    let mut tasks = Vec::new();
    for number in 0..connections {
        let mut connection = Connection::open(&target.address).await?;
        let (request, shared) = (target.of_connection(number), Rc::clone(&shared));
        tasks.push(tokio::task::spawn_local(async move {
            while !shared.over.get() {
                let begun = Instant::now();
                if let Err(fault) = connection.exchange(&request).await {
                    shared.fault.borrow_mut().get_or_insert(fault);
                    return;
                }
                if shared.counting.get() {
                    shared.completed.set(shared.completed.get() + 1);
                    shared.latencies.borrow_mut().push(micros(begun.elapsed()));
                }
            }
        }));
    }
    tokio::time::sleep(warm).await;
    mark(0);
    shared.counting.set(true);
    let begun = Instant::now();
    tokio::time::sleep(measured).await;
    shared.counting.set(false);
    let seconds = begun.elapsed().as_secs_f64();
    mark(1);
    shared.over.set(true);
    for task in tasks {
        task.await.map_err(|fault| fault.to_string())?;
    }
    finish(&shared, seconds)
}

/// Open loop: `rate` requests a second for `measured`, over at most `connections`.
pub(crate) async fn open(
    target: &Target,
    connections: usize,
    rate: f64,
    measured: Duration,
) -> Result<Outcome, String> {
    let shared = Rc::new(Shared::default());
    let next = Rc::new(Cell::new(0_u64));
    let due = (rate * measured.as_secs_f64()) as u64;
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(&target.address).await?);
    }
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for (number, mut connection) in opened.into_iter().enumerate() {
        let (request, shared, next) = (target.of_connection(number), Rc::clone(&shared), Rc::clone(&next));
        tasks.push(tokio::task::spawn_local(async move {
            loop {
                let index = next.get();
                // A server that has fallen this far behind does not sustain the rate.
                if index >= due || begun.elapsed() > measured * 2 {
                    return;
                }
                next.set(index + 1);
                let when = begun + Duration::from_secs_f64(index as f64 / rate);
                tokio::time::sleep_until(when.into()).await;
                if let Err(fault) = connection.exchange(&request).await {
                    shared.fault.borrow_mut().get_or_insert(fault);
                    return;
                }
                shared.completed.set(shared.completed.get() + 1);
                shared.latencies.borrow_mut().push(micros(when.elapsed()));
            }
        }));
    }
    for task in tasks {
        task.await.map_err(|fault| fault.to_string())?;
    }
    finish(&shared, begun.elapsed().as_secs_f64())
}

fn finish(shared: &Shared, seconds: f64) -> Result<Outcome, String> {
    if let Some(fault) = shared.fault.borrow_mut().take() {
        return Err(fault);
    }
    let mut latencies = shared.latencies.take();
    latencies.sort_unstable();
    Ok(Outcome {
        completed: shared.completed.get(),
        seconds,
        latencies,
    })
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_sorted_latencies() {
        let outcome = Outcome {
            completed: 101,
            seconds: 2.0,
            latencies: (0..=100).collect(),
        };
        assert_eq!(outcome.quantile(0.5), Some(50.0));
        assert_eq!(outcome.quantile(0.99), Some(99.0));
        assert_eq!(Outcome::default().quantile(0.5), None);
        assert!((outcome.rate() - 50.5).abs() < 1e-9);
    }

    #[test]
    fn a_request_is_written_whole() {
        let target = Target::post("127.0.0.1:1", "/x", &[("a", "b")], b"{}");
        let text = String::from_utf8(target.request).expect("text");
        assert!(text.starts_with("POST /x HTTP/1.1\r\nhost: 127.0.0.1:1\r\n"));
        assert!(text.ends_with("content-length: 2\r\na: b\r\n\r\n{}"));
    }

    #[test]
    fn each_connection_has_its_own_id() {
        let target = Target::post("127.0.0.1:1", "/x", &[], br#"{"id":100,"method":"x"}"#);
        assert_eq!(target.of_connection(0), target.request);
        assert!(String::from_utf8_lossy(&target.of_connection(31)).contains(r#"{"id":131,"#));
    }
}
