//! All databases of one process: opened by name at first use.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::database::Database;
use super::error::DatabaseError;
use super::identify::Identifier;
use super::request::Unavailable;
use crate::auth::{AuthError, Credential, Identified, Keyring};
use crate::base::Clock;
use crate::base::limits::DATABASES_MAX;
use crate::rules::Rules;
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
    /// Whom to believe.
    pub keyring: Keyring,
    pub powers: Powers,
}

/// What anyone may do who has no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Powers {
    /// Databases spring into being, open to all until they have rules, and who reaches the server may administer it.
    Emulator,
    /// Nothing that rules do not allow. There are databases of these names and those that are stored, closed until they
    /// have rules.
    Production { databases: Vec<String> },
}

/// The databases of a process.
pub struct Engine {
    config: EngineConfig,
    identifier: Identifier,
    /// Those of databases that were never given any.
    default_rules: Arc<Rules>,
    /// Those of a file, which come before all that were stored.
    file_rules: RwLock<Option<Arc<Rules>>>,
    open: Mutex<HashMap<String, Arc<OnceCell<Arc<Database>>>>>,
}

impl Engine {
    pub fn new(config: EngineConfig) -> Arc<Self> {
        let default_rules = Arc::new(if config.powers == Powers::Emulator { Rules::open() } else { Rules::closed() });
        Arc::new(Self {
            identifier: Identifier::new(config.keyring.clone()),
            config,
            default_rules,
            file_rules: RwLock::default(),
            open: Mutex::new(HashMap::new()),
        })
    }

    /// Whether everybody may do what is an administrator's.
    pub fn is_emulator(&self) -> bool {
        self.config.powers == Powers::Emulator
    }

    /// What is trusted now.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.identifier.keyring()
    }

    /// Trusts what `change` makes of what is trusted now. Who is connected already stays so until the credential ends.
    pub fn change_keyring(&self, change: impl FnOnce(&Keyring) -> Keyring) {
        self.identifier.change(change);
    }

    /// Waits until a token was shown whose issuer is trusted, but whose key is not known.
    pub async fn keys_wanted(&self) {
        self.identifier.keys_wanted.notified().await;
    }

    /// Whether rules were given: by a file, or to a database that is open.
    pub fn has_rules(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let given = |database: &Arc<Database>| !Arc::ptr_eq(&database.rules(), &self.default_rules);
        self.file_rules.read().unwrap_or_else(PoisonError::into_inner).is_some()
            || open.values().filter_map(|cell| cell.get()).any(given)
    }

    /// Puts the rules of a file in force, in all databases: those that are open now, and others when they are opened.
    ///
    /// # Errors
    /// A database is closing or its disk fails; the others have them.
    pub async fn set_file_rules(&self, rules: Arc<Rules>) -> Result<(), Unavailable> {
        *self.file_rules.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&rules));
        let open: Vec<Arc<Database>> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.values().filter_map(|cell| cell.get().cloned()).collect()
        };
        let mut outcome = Ok(());
        for database in open {
            outcome = outcome.and(database.set_rules(Arc::clone(&rules)).await);
        }
        outcome
    }

    /// Who shows `credential`.
    ///
    /// # Errors
    /// What is wrong with it. That is not nobody: whoever shows a bad credential is refused.
    pub fn identify(&self, credential: &Credential<'_>) -> Result<Identified, AuthError> {
        self.identifier.identify(credential, self.config.clock.now())
    }

    /// The database of that name, opened or made now if need be.
    pub async fn database(&self, name: &str) -> Result<Arc<Database>, DatabaseError> {
        let cell = self.cell(name)?;
        if let Some(database) = cell.get() {
            return Ok(Arc::clone(database));
        }
        let opened = cell.get_or_try_init(|| self.open(name)).await.cloned();
        if opened.is_err() {
            // Names that nobody has must not take the places of those that there are.
            self.open
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|open, cell| open != name || cell.initialized());
        }
        opened
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
        let default_rules = Arc::clone(&self.default_rules);
        let opened = tokio::task::spawn_blocking(move || {
            let file = config.data.join(format!("{name}.sqlite"));
            if let Powers::Production { databases } = &config.powers
                && !databases.contains(&name)
                && !file.exists()
            {
                return Err(DatabaseError::Unknown(name));
            }
            Database::open(&name, &file, &config.store, config.clock, config.presence_grace, &default_rules, runtime)
        });
        let database = opened.await.map_err(|_| DatabaseError::Stopping)??;
        let rules = self.file_rules.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(rules) = rules.filter(|rules| rules.text() != database.rules().text()) {
            database.set_rules(rules).await.map_err(|_| DatabaseError::Stopping)?;
        }
        Ok(database)
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
