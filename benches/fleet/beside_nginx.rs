//! nginx, and a load that is the same for it and for a listener of ours: wrk's.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use evertoken_testkit::{redis::free_port, wait_for};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Connections of the load, each of which asks again once it has its answer.
const CONNECTIONS: usize = 32;

/// How long it lasts.
pub(crate) const SPAN: Duration = Duration::from_secs(2);

/// A request that is made again and again.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// Names and values.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// It is killed when dropped.
pub(crate) struct Nginx {
    child: Child,
    _directory: TempDir,
    pub(crate) url: String,
}

impl Nginx {
    /// One with as many workers as ours has, and this in its only server, and beside it.
    pub(crate) async fn start(server: &str, beside: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let (port, path) = (free_port(), directory.path().display());
        let workers = std::thread::available_parallelism().expect("cores");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {path}/{name};\n")).concat();
        let text = format!(
            "daemon off; worker_processes {workers}; pid {path}/nginx.pid;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; default_type application/json; keepalive_requests 1000000000;\n\
             {temporary} {beside} server {{ listen 127.0.0.1:{port} reuseport;\n{server}\n}} }}\n"
        );
        let configuration = directory.path().join("nginx.conf");
        std::fs::write(&configuration, text).expect("a file");
        let child = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(directory.path())
            .arg("-c")
            .arg(configuration)
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx is installed: make bench sees to it");
        wait_for("nginx answers", || async {
            TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)
        })
        .await;
        Self { child, _directory: directory, url: format!("http://127.0.0.1:{port}") }
    }

    /// One that answers everything with this text.
    pub(crate) async fn answering(text: &str) -> Self {
        Self::start(&format!("location / {{ return 200 '{text}'; }}"), "").await
    }

    /// One that passes everything on to `host`, an address with its port, over connections that are kept.
    pub(crate) async fn proxying(host: &str) -> Self {
        let server = "location / { proxy_pass http://there; proxy_http_version 1.1; \
                      proxy_set_header Connection \"\"; }";
        Self::start(server, &format!("upstream there {{ server {host}; keepalive 64; }}")).await
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it, unless it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Answers a second, over connections that are kept, or of which each has one request.
pub(crate) async fn answers(url: &str, request: &Request, is_kept: bool) -> f64 {
    let directory = TempDir::new().expect("a directory");
    let script = directory.path().join("request.lua");
    std::fs::write(&script, script_of(request, is_kept)).expect("a file");
    load(url, &request.path, &script, SPAN).await
}

fn script_of(Request { method, headers, body, .. }: &Request, is_kept: bool) -> String {
    let mut text = format!("wrk.method = \"{method}\"\nwrk.body = [[{body}]]\n");
    let close = (!is_kept).then(|| ("Connection", "close".to_owned()));
    for (name, value) in headers.iter().chain(&close) {
        text += &format!("wrk.headers[\"{name}\"] = \"{value}\"\n");
    }
    text
}

async fn load(url: &str, path: &str, script: &Path, span: Duration) -> f64 {
    let output = tokio::process::Command::new("wrk")
        .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{}s", span.as_secs()), "--script"])
        .arg(script)
        .arg(format!("{url}{path}"))
        .kill_on_drop(true)
        .output()
        .await
        .expect("wrk is installed: make bench sees to it");
    let text = String::from_utf8_lossy(&output.stdout);
    for trouble in ["Non-2xx", "Socket errors"] {
        assert!(!text.contains(trouble), "{url}: {text}");
    }
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|speed| speed.trim().parse().ok()).expect("a speed")
}
