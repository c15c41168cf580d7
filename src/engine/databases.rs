//! All databases of one process: opened by name at first use.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::database::Database;
use super::error::DatabaseError;
use crate::base::Clock;
use crate::base::limits::DATABASES_MAX;
use crate::store;

/// How databases are opened.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Directory with one file per database, `<name>.sqlite`. Exists already.
    pub data: PathBuf,
    pub store: store::Options,
    /// How long a session whose stream broke may take to come back before its onDisconnect writes run.
    pub presence_grace: Duration,
    pub clock: Clock,
}

/// The databases of a process.
pub struct Engine {
    config: EngineConfig,
    open: Mutex<HashMap<String, Arc<OnceCell<Arc<Database>>>>>,
}

impl Engine {
    pub fn new(config: EngineConfig) -> Arc<Self> {
        Arc::new(Self { config, open: Mutex::new(HashMap::new()) })
    }

    /// The database of that name, opened or made now if need be.
    pub async fn database(&self, name: &str) -> Result<Arc<Database>, DatabaseError> {
        let cell = self.cell(name)?;
        if let Some(database) = cell.get() {
            return Ok(Arc::clone(database));
        }
        let opened = cell.get_or_try_init(|| self.open(name)).await;
        opened.cloned()
    }

    fn cell(&self, name: &str) -> Result<Arc<OnceCell<Arc<Database>>>, DatabaseError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = open.get(name) {
            return Ok(Arc::clone(cell));
        }
        // Checked here too, although protocols have parsed it: the name becomes a file name.
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > 100 || !name.bytes().all(is_plain) {
            return Err(DatabaseError::Name(name.to_owned()));
        }
        if open.len() >= DATABASES_MAX {
            return Err(DatabaseError::TooMany);
        }
        let cell = Arc::new(OnceCell::new());
        open.insert(name.to_owned(), Arc::clone(&cell));
        Ok(cell)
    }

    async fn open(&self, name: &str) -> Result<Arc<Database>, DatabaseError> {
        let config = self.config.clone();
        let runtime = tokio::runtime::Handle::current();
        let name = name.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let file = config.data.join(format!("{name}.sqlite"));
            Database::open(&name, &file, &config.store, config.clock, config.presence_grace, runtime)
        });
        opened.await.map_err(|_| DatabaseError::Stopping)?
    }

    /// Opens every database that has a file, so that a damaged one is told at start and what sessions of the last
    /// process had armed runs now.
    ///
    /// # Errors
    /// The first one that cannot be opened, with what to do.
    pub async fn open_existing(&self) -> Result<usize, DatabaseError> {
        let names = self.stored();
        for name in &names {
            self.database(name).await?;
        }
        Ok(names.len())
    }

    /// Names of all databases, open or stored, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.stored();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        names.extend(open.iter().filter(|(_, cell)| cell.initialized()).map(|(name, _)| name.clone()));
        drop(open);
        names.sort();
        names.dedup();
        names
    }

    fn stored(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.config.data) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".sqlite")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Ends all sessions and closes all databases. What was acknowledged is on disk.
    pub async fn shutdown(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for database in open.into_values().filter_map(|cell| cell.get().cloned()) {
            database.close().await;
        }
    }
}
