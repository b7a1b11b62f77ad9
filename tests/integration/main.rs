//! The whole program against real Redis servers and a simulated issuer. One binary, one file per
//! subject; every test has its own servers.

mod asking;
mod changed_settings;
mod clock;
mod closed;
mod cluster;
mod commands;
mod connecting;
mod contract;
mod cycle;
mod data_identity;
mod demo;
mod disk;
mod documents;
mod files;
mod foreign;
mod garbage;
mod issuer;
mod killed;
mod listener;
mod lost_data;
mod metrics;
mod mistakes;
mod one_request;
mod outage;
mod refreshing;
mod refused;
mod rights;
mod seams;
mod sentinel;
mod services;
mod shutdown;
mod stopped;
mod takeover;
mod tls;
mod wakes;
