//! Proxies that are in use, as real processes: before a Redis (Twemproxy, HAProxy, stunnel), before doors
//! (HAProxy), and on the way out (tinyproxy, microsocks).

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use tokio::net::TcpStream;

use crate::{redis::free_port, wait_for};

/// A running proxy, killed when dropped.
pub struct Proxy {
    port: u16,
    child: Child,
}

impl Proxy {
    /// Twemproxy (nutcracker) before servers, of which each has its share of the keys.
    pub async fn twemproxy(directory: &Path, servers: &[u16]) -> Self {
        let servers: String =
            servers.iter().map(|port| format!("   - 127.0.0.1:{port}:1\n")).collect();
        let text = |port: u16| {
            format!(
                "alpha:\n  listen: 127.0.0.1:{port}\n  hash: fnv1a_64\n  hash_tag: \"{{}}\"\n  \
                 distribution: ketama\n  redis: true\n  servers:\n{servers}"
            )
        };
        let stats = free_port().to_string();
        Self::start(directory, "nutcracker", text, &["-s", &stats, "-c"]).await
    }

    /// HAProxy before servers; it sends everybody to the one that says that it is a master. It ends
    /// connections that are idle for `idle`.
    pub async fn haproxy(directory: &Path, servers: &[u16], idle: &str) -> Self {
        let servers: String = servers
            .iter()
            .map(|port| format!("  server s{port} 127.0.0.1:{port} check inter 200ms on-marked-down shutdown-sessions\n"))
            .collect();
        let text = |port: u16| {
            format!(
                "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client {idle}\n  \
                 timeout server {idle}\nlisten redis\n  bind 127.0.0.1:{port}\n  \
                 option tcp-check\n  tcp-check send info\\ replication\\r\\n\n  \
                 tcp-check expect string role:master\n{servers}"
            )
        };
        Self::start(directory, "haproxy", text, &["-f"]).await
    }

    /// HAProxy before servers that are alike, by `http`, or by `tcp` where they speak TLS. While one is
    /// away, the others are asked; what was asked by `http` of one that died is asked of another one.
    pub async fn balancer(directory: &Path, servers: &[u16], mode: &str) -> Self {
        let servers: String = servers
            .iter()
            .map(|port| format!("  server s{port} 127.0.0.1:{port} check inter 200ms\n"))
            .collect();
        let again = if mode == "http" { "  retry-on all-retryable-errors\n" } else { "" };
        let text = |port: u16| {
            format!(
                "defaults\n  mode {mode}\n  timeout connect 1s\n  timeout client 1m\n  timeout server 1m\n\
                 listen doors\n  bind 127.0.0.1:{port}\n  balance roundrobin\n  retries 3\n  \
                 option redispatch 1\n{again}{servers}"
            )
        };
        Self::start(directory, "haproxy", text, &["-f"]).await
    }

    /// stunnel, which speaks TLS to a server in the place of a client.
    pub async fn stunnel(directory: &Path, server: u16, authority: &Path) -> Self {
        let text = |port: u16| {
            format!(
                "foreground = yes\npid =\n[redis]\nclient = yes\naccept = 127.0.0.1:{port}\n\
                 connect = 127.0.0.1:{server}\nverifyChain = yes\nCAfile = {}\n",
                authority.display()
            )
        };
        Self::start(directory, "stunnel4", text, &[]).await
    }

    /// HAProxy before a web server, whose pages it has below `prefix`, and nowhere else.
    pub async fn prefix(directory: &Path, server: &str, prefix: &str) -> Self {
        let text = |port: u16| {
            format!(
                "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1m\n  timeout server 1m\n\
                 listen pages\n  bind 127.0.0.1:{port}\n  \
                 http-request deny unless {{ path_beg {prefix}/ }}\n  \
                 http-request replace-path {prefix}(/.*) \\1\n  server page {server}\n"
            )
        };
        Self::start(directory, "haproxy", text, &["-f"]).await
    }

    /// tinyproxy on the way out, for this user and password, to these ports alone.
    pub async fn http(directory: &Path, user: &str, password: &str, ports: &[u16]) -> Self {
        let ports: String = ports.iter().map(|port| format!("ConnectPort {port}\n")).collect();
        let text = |port: u16| {
            format!(
                "Port {port}\nListen 127.0.0.1\nMaxClients 20\nTimeout 60\nLogLevel Connect\n\
                 BasicAuth {user} {password}\n{ports}"
            )
        };
        Self::start(directory, "tinyproxy", text, &["-d", "-c"]).await
    }

    /// microsocks on the way out, for this user and password.
    pub async fn socks(directory: &Path, user: &str, password: &str) -> Self {
        let port = free_port();
        let text = port.to_string();
        let arguments = ["-i", "127.0.0.1", "-p", &text, "-u", user, "-P", password];
        Self::run(directory, "microsocks", port, &arguments).await
    }

    async fn start(
        directory: &Path,
        program: &str,
        text: impl Fn(u16) -> String,
        arguments: &[&str],
    ) -> Self {
        let port = free_port();
        let file = directory.join(format!("{program}.conf"));
        std::fs::write(&file, text(port)).expect("a file");
        let file = file.display().to_string();
        Self::run(directory, program, port, &[arguments, &[&file]].concat()).await
    }

    async fn run(directory: &Path, program: &str, port: u16, arguments: &[&str]) -> Self {
        let log = std::fs::File::create(directory.join(format!("{program}.log"))).expect("a file");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .expect("it is installed: make test sees to it");
        let proxy = Self { port, child };
        wait_for("the proxy listens", || async {
            TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop)
        })
        .await;
        proxy
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
