//! What is read again while the server runs: rules and keys, when their files change and on SIGHUP.
//!
//! A file that is broken changes nothing, and the log says why.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

use super::stamp::{Stamp, stamp};
use super::trust::{self, KEYS_FILE};
use super::{Config, rules_file};
use crate::engine::Engine;

/// How often the files are looked at. Changes are rare, and nobody waits for one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks after the files until `drain` is cancelled; at once when `asked` says so.
pub async fn watch(
    config: Config,
    data: PathBuf,
    engine: Arc<Engine>,
    mut asked: Receiver<()>,
    drain: CancellationToken,
) {
    let rules = rules_file::find(&config);
    let mut trusted: Vec<PathBuf> = Vec::new();
    if config.production {
        trusted.push(data.join(KEYS_FILE));
        trusted.extend(config.secrets_file.iter().chain(&config.issuers_file).cloned());
    }
    if rules.is_none() && trusted.is_empty() {
        return;
    }
    let mut rules_stamp = rules.as_deref().map(stamp);
    let mut trusted_stamps: Vec<Stamp> = trusted.iter().map(|path| stamp(path)).collect();
    loop {
        let is_asked = tokio::select! {
            () = drain.cancelled() => return,
            Ok(()) = asked.changed() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        let seen = rules.as_deref().map(stamp);
        if let Some(path) = &rules
            && (is_asked || seen != rules_stamp)
        {
            rules_stamp = seen;
            read_rules(path, &engine).await;
        }
        let seen: Vec<Stamp> = trusted.iter().map(|path| stamp(path)).collect();
        if config.production && (is_asked || seen != trusted_stamps) {
            trusted_stamps = seen;
            read_trust(&config, &data, &engine);
        }
    }
}

async fn read_rules(path: &Path, engine: &Arc<Engine>) {
    match rules_file::read(path) {
        Ok(rules) => match engine.set_file_rules(Arc::new(rules)).await {
            Ok(()) => tracing::info!(file = %path.display(), "new rules are in force"),
            Err(error) => tracing::error!(%error, "new rules could not be stored in every database"),
        },
        Err(error) => tracing::error!("{error}\nThe former rules stay in force."),
    }
}

/// Keys of issuers that stay are kept.
fn read_trust(config: &Config, data: &Path, engine: &Arc<Engine>) {
    match trust::load(config, data) {
        Ok(keyring) => {
            engine.change_keyring(|former| keyring.with_keys_of(former));
            tracing::info!("the keys were read again");
        }
        Err(error) => tracing::error!("{error}\nThe former keys stay valid."),
    }
}
