//! What a store did not do: a code for programs, a sentence for operators.
//!
//! The code is told once, where the error of Redis or of the system is read. Whatever decides by an
//! error decides by its code; nobody reads a sentence but people.

mod sentences;

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

    /// Whether the store can be read, and takes no changes from anybody: no refresh can begin.
    #[must_use]
    pub fn is_refusal_of_changes(self) -> bool {
        matches!(
            self,
            Self::OutOfMemory
                | Self::ReadOnly
                | Self::NotEnoughReplicas
                | Self::CannotPersist
                | Self::DiskFull
                | Self::ReadOnlyDisk
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
}

impl fmt::Display for StoreErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl StoreError ===

impl StoreError {
    /// An error in words of its own.
    #[must_use]
    pub fn new(code: StoreErrorCode, message: impl Into<String>) -> Self {
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
