//! The issuer of the benchmarks: a simulator in a process of its own.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use evertoken_testkit::{process::program, redis::free_port, wait_for};

/// It is killed when dropped.
pub(crate) struct Issuer {
    child: Child,
    pub(crate) url: String,
}

impl Issuer {
    /// One that takes so long to answer.
    pub(crate) async fn start(latency: Duration) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let latency = format!("{}ms", latency.as_millis());
        let child = Command::new(program("issuer-simulator"))
            .args(["--listen", &listen, "--latency", &latency])
            .stdout(Stdio::null())
            .spawn()
            .expect("issuer-simulator starts");
        let url = format!("http://{listen}");
        wait_for("the simulator answers", || async {
            tokio::net::TcpStream::connect(&listen).await.ok().map(drop)
        })
        .await;
        Self { child, url }
    }

    /// The sections of so many credentials that are asked for here.
    pub(crate) fn credentials(&self, count: usize) -> String {
        let section = |n| {
            format!(
                "[credentials.c{n}]\nappid = \"wx{n}\"\nsecret = \"secret-of-wx{n}\"\nbase_url = \"{}\"\n",
                self.url
            )
        };
        (0..count).map(section).collect()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
