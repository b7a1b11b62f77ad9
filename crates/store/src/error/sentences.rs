//! What each code says to people: what is wrong, and how to mend it.

use evertoken_tls::Refusal;

use super::{StoreErrorCode, WrongDeployment};

// === impl StoreErrorCode ===

impl StoreErrorCode {
    /// What is wrong and how to mend it, to follow the name of the place.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::UnknownHost => "cannot be found: no such host, check the name in the store's URL",
            Self::Unreachable => "cannot be reached (is it running, and is store.url right?)",
            Self::TimedOut => {
                "does not answer in time: is it overloaded or stopped, and is store.url right?"
            }
            Self::ConnectionLost => {
                "ended the connection: was it restarted, or does something on the way end idle ones?"
            }
            Self::UnknownMaster => {
                "cannot be found: no sentinel knows a master of this name that is up"
            }
            Self::Tls(refusal) => refused_by_tls(refusal),
            Self::SpeaksTls => "speaks TLS: begin the store's URL with rediss://",
            Self::NotRedis => "is no Redis, by what it answers: check the store's URL",
            Self::WrongDeployment(how) => how.sentence(),
            Self::UnknownDatabase => "has no such database: see the last part of the store's URL",
            Self::AnotherServer => "is another one than before: its data is compared first",
            Self::Authentication => "refused the user or password: check the store's URL",
            Self::ProtectedMode => {
                "is in protected mode, and answers its own machine alone: give it a password \
                 (requirepass) and put that into the store's URL, or, in a network of your own, set \
                 protected-mode no"
            }
            Self::Permission => {
                "does not allow this user what evertoken needs: evertoken check names the right \
                 that is missing"
            }
            Self::OutOfMemory => "is full: raise its maxmemory or free memory",
            Self::ReadOnly => "is a read-only replica: name the master in the store's URL",
            Self::NotEnoughReplicas => {
                "has fewer good replicas than min-replicas-to-write, and refuses writes: bring \
                 them back"
            }
            Self::CannotPersist => {
                "cannot save to its disk, and refuses writes: see to its disk and its log, or set \
                 stop-writes-on-bgsave-error no"
            }
            Self::Loading => "is still loading its data: it answers when it has read all of it",
            Self::Busy => "is busy with a script of somebody else: it answers when that has ended",
            Self::MasterDown => {
                "is a replica without its master: bring one of them back as the master"
            }
            Self::ClusterDown => {
                "refuses, because the cluster misses a master: it goes on when a replica is promoted"
            }
            Self::NodeDown => {
                "names a node that does not answer: it goes on when that one is back or replaced"
            }
            Self::SlotMoving => {
                "is moving this credential's keys to another node: it answers when they are there"
            }
            Self::Refused => "answered with an error",
            Self::KeyPermission => {
                "does not allow this user a key that evertoken needs: grant them all with ACL \
                 SETUSER, as in ~PREFIX:*"
            }
            Self::WrongType => {
                "has a key of this credential that evertoken did not write: find it with TYPE \
                 among those that begin with PREFIX:{ID}, and delete it"
            }
            Self::ForeignValue => "holds something that this version does not understand",
            Self::NewerVersion => "was written by a newer evertoken: run that version here, too",
            Self::Contended => {
                "was changed by others again and again, before a decision could be committed: is the \
                 store far away, or very slow?"
            }
            Self::DiskFull => "is on a full disk: free some of it",
            Self::FilePermission => "may not be used by this user: see its owner and mode",
            Self::Exposed => "can be read by others, and tokens are in it: chmod 700",
            Self::ReadOnlyDisk => "is on a read-only file system",
            Self::NotADirectory => "is not a directory",
            Self::Stalled => {
                "is being changed by another process, which does not end: was it stopped?"
            }
            Self::Disk => "cannot be used",
            Self::Defect => "met a defect of evertoken: please report it",
        }
    }
}

/// What a refusal of TLS asks of an operator.
fn refused_by_tls(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Ended => {
            "has a certificate that has ended: renew it; or is this machine's clock ahead?"
        }
        Refusal::NotYet => {
            "has a certificate that is not valid yet: is this machine's clock behind?"
        }
        Refusal::OtherName => {
            "has a certificate for another name: use that name in the store's URL"
        }
        Refusal::NoName => {
            "has a certificate that names no host, and a common name alone does not count: make it \
             anew with subjectAltName=DNS:HOST"
        }
        Refusal::Authority => {
            "has a certificate of an authority that is not trusted here, or signed by itself: name \
             the authority's file in store.tls.ca_cert_file"
        }
        Refusal::IsAuthority => {
            "has a certificate that is an authority's own: sign another one with it for the \
             server, or make it anew with basicConstraints=CA:FALSE"
        }
        Refusal::Weak => {
            "has a certificate that is signed in a way that is not safe any more, as with SHA-1: \
             have it signed with SHA-256"
        }
        Refusal::Unread => {
            "cannot be spoken to by TLS: the certificates of authorities cannot be read; see \
             SSL_CERT_FILE and SSL_CERT_DIR, or name a file of your own in store.tls.ca_cert_file"
        }
        Refusal::Plain => {
            "does not speak TLS on this port: begin the store's URL with redis://, or name the \
             server's tls-port"
        }
        Refusal::OursWanted => {
            "asks for a certificate of ours: name its files in store.tls.cert_file and \
             store.tls.key_file"
        }
        Refusal::Alert => "refuses our certificate, or the version of TLS",
        Refusal::Other => "cannot be spoken to by TLS: the handshake failed",
    }
}

// === impl WrongDeployment ===

impl WrongDeployment {
    fn sentence(self) -> &'static str {
        match self {
            Self::NodeOfCluster => {
                "is one node of a cluster: begin the store's URL with redis+cluster://"
            }
            Self::NotACluster => "is no cluster: begin the store's URL with redis://",
            Self::MissesCommands => {
                "does not know a command that evertoken needs: is this the port of a sentinel, or \
                 was the command renamed?"
            }
            Self::NotASentinel => {
                "cannot be found: no sentinel answers there; its port is 26379 as a rule"
            }
        }
    }
}
