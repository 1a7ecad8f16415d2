//! The mails that were taken: the newest in memory, and as `.eml` files where there is a folder.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::fs;
use tokio::sync::watch;
use tokio::time::timeout;

use super::SmtpSinkError;
use super::mail::{Mail, with_envelope};

/// How many mails are kept; the oldest go first.
const CAPACITY: usize = 2_000;

#[derive(Debug)]
pub(super) struct Mailbox {
    dir: Option<PathBuf>,
    kept: Mutex<Kept>,
    /// Told of every change.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<Arc<Mail>>,
    last_id: u64,
}

impl Mailbox {
    /// Opens the folder, with what is in it.
    pub(super) async fn open(dir: Option<PathBuf>) -> Result<Self, SmtpSinkError> {
        let kept = match &dir {
            Some(dir) => {
                read_dir(dir).await.map_err(|source| SmtpSinkError::Dir { dir: dir.clone(), source })?
            }
            None => Kept::default(),
        };
        Ok(Self { dir, kept: Mutex::new(kept), changed: watch::Sender::new(()) })
    }

    /// Keeps a mail, on disk before anyone sees it; answers its id.
    pub(super) async fn add(&self, from: &str, to: &[String], message: &[u8]) -> io::Result<u64> {
        let raw = with_envelope(from, to, message);
        let id = {
            let mut kept = self.kept();
            kept.last_id += 1;
            kept.last_id
        };
        if let Some(dir) = &self.dir {
            // Renamed last: a file with the right ending is always whole.
            let partial = dir.join(format!("{id:06}.partial"));
            fs::write(&partial, &raw).await?;
            fs::rename(&partial, file(dir, id)).await?;
        }
        let oldest = {
            let mut kept = self.kept();
            kept.mails.push_back(Arc::new(Mail::read(id, raw)));
            if kept.mails.len() > CAPACITY { kept.mails.pop_front() } else { None }
        };
        self.changed.send_replace(());
        if let Some(oldest) = oldest {
            self.remove_file(oldest.id).await;
        }
        Ok(id)
    }

    /// The oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Mail>> {
        self.kept().mails.iter().cloned().collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Mail>> {
        self.kept().mails.iter().find(|mail| mail.id == id).cloned()
    }

    pub(super) async fn clear(&self) {
        let mails = std::mem::take(&mut self.kept().mails);
        self.changed.send_replace(());
        for mail in mails {
            self.remove_file(mail.id).await;
        }
    }

    pub(super) async fn wait_for(
        &self,
        patience: Duration,
        wanted: impl Fn(&Mail) -> bool,
    ) -> Option<Arc<Mail>> {
        let mut changes = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(mail) = self.all().into_iter().find(|mail| wanted(mail)) {
                    return Some(mail);
                }
                changes.changed().await.ok()?;
            }
        };
        timeout(patience, found).await.ok().flatten()
    }

    async fn remove_file(&self, id: u64) {
        if let Some(dir) = &self.dir
            && let Err(error) = fs::remove_file(file(dir, id)).await
        {
            tracing::warn!(%error, id, "a kept mail's file can't be removed");
        }
    }

    /// No holder can panic half-way through a change.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:06}.eml"))
}

async fn read_dir(dir: &Path) -> io::Result<Kept> {
    fs::create_dir_all(dir).await?;
    let mut ids = Vec::new();
    let mut entries = fs::read_dir(dir).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        ids.extend(name.to_str().and_then(|name| name.strip_suffix(".eml")?.parse::<u64>().ok()));
    }
    ids.sort_unstable();
    let mut kept = Kept { last_id: ids.last().copied().unwrap_or_default(), ..Kept::default() };
    for id in ids.iter().copied().skip(ids.len().saturating_sub(CAPACITY)) {
        kept.mails.push_back(Arc::new(Mail::read(id, fs::read(file(dir, id)).await?)));
    }
    Ok(kept)
}
