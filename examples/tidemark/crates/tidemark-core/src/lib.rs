//! Content-defined chunks, digests and file identities.
//!
//! A [`Chunker`] cuts bytes where their content says so, not at fixed offsets: insert a line at the
//! top of a file, and all chunks but the first few are what they were. So a store keyed by
//! [`Digest`] holds the unchanged part of a new version already.
//!
//! ```
//! use tidemark_core::Chunker;
//!
//! let chunker = Chunker::new(256)?;
//! let old: Vec<u8> = (0..40_000u32).map(|n| (n.pow(2) >> 7) as u8).collect();
//! let new = [b"a new first line\n", old.as_slice()].concat();
//! assert!(chunker.similarity(&old, &new) > 0.9);
//! # Ok::<(), tidemark_core::Error>(())
//! ```
//!
//! Where chunks end is part of this crate's promise: the same bytes and the same average give the
//! same chunks on every platform, in every release of one major version.

mod chunk;
mod digest;
mod error;
mod identity;
mod similarity;

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub use chunk::{Chunk, Chunker, Chunks};
pub use digest::Digest;
pub use error::Error;
pub use identity::FileIdentity;
