//! What a store did not do: a code for programs, a sentence for operators.
//!
//! The code is told once, where the error of Redis or of the system is read. Whatever decides by an
//! error decides by its code; nobody reads a sentence but people.

use std::{error::Error, fmt, sync::Arc};

use evertoken_tls::Refusal;

/// Whether an error concerns the whole store or one credential's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store cannot be reached, or cannot do its work: nothing works until it is back. What
    /// was asked may have happened.
    Unavailable,
    /// One credential's keys cannot be used. The others work.
    Entry,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorCode {
    // --- it is not there ---
    /// No such host.
    UnknownHost,
    /// Nobody takes the connection.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// The connection ended before the answer.
    ConnectionLost,
    /// No sentinel knows a master of this name.
    UnknownMaster,
    /// TLS failed.
    Tls(Refusal),
    /// It speaks TLS, and we do not.
    SpeaksTls,
    // --- it is something else ---
    /// It is no Redis.
    NotRedis,
    /// It is set up in another way than the URL says.
    WrongDeployment(WrongDeployment),
    /// It has no database of this number.
    UnknownDatabase,
    /// Another server answers than before, whose data is not compared yet.
    AnotherServer,
    // --- it refuses ---
    /// The user or the password is wrong.
    Authentication,
    /// It listens to its own machine alone, because it has no password.
    ProtectedMode,
    /// A command or a channel is not allowed.
    Permission,
    /// It is full.
    OutOfMemory,
    /// It is a replica.
    ReadOnly,
    /// It has too few replicas to write.
    NotEnoughReplicas,
    /// It cannot save to its disk.
    CannotPersist,
    /// It is still reading its data.
    Loading,
    /// A script of somebody else runs.
    Busy,
    /// It is a replica whose master is gone.
    MasterDown,
    /// The cluster misses a master.
    ClusterDown,
    /// A node of the cluster does not answer.
    NodeDown,
    /// Keys are on their way to another node.
    SlotMoving,
    /// Another error of the server.
    Refused,
    // --- one credential ---
    /// The keys of one credential are not allowed.
    KeyPermission,
    /// A key of one credential is of another type than ours.
    WrongType,
    /// A key or a file of one credential holds what evertoken did not write.
    ForeignValue,
    /// A newer evertoken wrote it.
    NewerVersion,
    /// Others changed its record again and again, each time before a decision about it was committed.
    Contended,
    // --- files ---
    /// The disk is full.
    DiskFull,
    /// This user may not.
    FilePermission,
    /// Others may read what is secret.
    Exposed,
    /// The file system is read-only.
    ReadOnlyDisk,
    /// There is a file where the directory should be.
    NotADirectory,
    /// Another process does not end its change.
    Stalled,
    /// Another error of the system.
    Disk,
    // --- ours ---
    /// A defect of evertoken.
    Defect,
}

/// In which way Redis is set up otherwise than the URL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WrongDeployment {
    /// One node of a cluster.
    NodeOfCluster,
    /// No cluster.
    NotACluster,
    /// Something that does not know a command: a sentinel, or a Redis with renamed commands.
    MissesCommands,
    /// No sentinel.
    NotASentinel,
}

/// The store did not do what was asked.
#[derive(Clone, Debug)]
pub struct StoreError {
    code: StoreErrorCode,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

// === impl StoreErrorCode ===

impl StoreErrorCode {
    /// Whom it concerns.
    #[must_use]
    pub fn kind(self) -> StoreErrorKind {
        match self {
            Self::KeyPermission
            | Self::WrongType
            | Self::ForeignValue
            | Self::NewerVersion
            | Self::Contended
            | Self::Defect => StoreErrorKind::Entry,
            _ => StoreErrorKind::Unavailable,
        }
    }

    /// Whether nobody is there who could do anything: as soon as anything is answered, it is over. Others
    /// may concern some commands alone.
    #[must_use]
    pub fn is_absence(self) -> bool {
        matches!(
            self,
            Self::UnknownHost
                | Self::Unreachable
                | Self::ConnectionLost
                | Self::UnknownMaster
                | Self::Loading
                | Self::MasterDown
                | Self::AnotherServer
        )
    }

    /// In one word, for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::ConnectionLost => "connection_lost",
            Self::UnknownMaster => "unknown_master",
            Self::Tls(_) | Self::SpeaksTls => "tls",
            Self::NotRedis => "not_redis",
            Self::WrongDeployment(_) => "wrong_deployment",
            Self::UnknownDatabase => "unknown_database",
            Self::AnotherServer => "another_server",
            Self::Authentication => "authentication",
            Self::ProtectedMode => "protected_mode",
            Self::Permission => "permission",
            Self::OutOfMemory => "out_of_memory",
            Self::ReadOnly => "read_only",
            Self::NotEnoughReplicas => "not_enough_replicas",
            Self::CannotPersist => "cannot_persist",
            Self::Loading => "loading",
            Self::Busy => "busy",
            Self::MasterDown => "master_down",
            Self::ClusterDown | Self::NodeDown => "cluster_down",
            Self::SlotMoving => "slot_moving",
            Self::Refused => "refused",
            Self::KeyPermission => "key_permission",
            Self::WrongType => "wrong_type",
            Self::ForeignValue => "foreign_value",
            Self::NewerVersion => "newer_version",
            Self::Contended => "contended",
            Self::DiskFull => "disk_full",
            Self::FilePermission | Self::Exposed => "file_permission",
            Self::ReadOnlyDisk => "read_only_disk",
            Self::NotADirectory => "no_directory",
            Self::Stalled => "stalled",
            Self::Disk => "disk",
            Self::Defect => "defect",
        }
    }

    /// Its stable name among the findings.
    #[must_use]
    pub fn finding(self) -> String {
        format!("store.{}", self.as_str())
    }

    /// What is wrong and how to mend it, to follow the name of the place.
    pub(super) fn sentence(self) -> &'static str {
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

impl fmt::Display for StoreErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

// === impl StoreError ===

impl StoreError {
    /// An error in words of its own.
    pub(crate) fn new(code: StoreErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// A job of the caller's ended by a defect. It is told like an error of one credential.
    #[must_use]
    pub fn defect() -> Self {
        Self::new(StoreErrorCode::Defect, "a defect of evertoken ended a job: please report it")
    }

    /// An error of a place, in the sentence of its code.
    pub(crate) fn at(code: StoreErrorCode, place: impl fmt::Display) -> Self {
        Self::new(code, format!("{place} {}", code.sentence()))
    }

    pub(crate) fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn code(&self) -> StoreErrorCode {
        self.code
    }

    /// Whom it concerns.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.code.kind()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}
