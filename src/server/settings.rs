//! From flags, environment and file to one [`Config`], and back to text that says where each value came from.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults. A name that is no setting
//! is an error, with the nearest one that is: a misspelt setting that is silently ignored is worse than a server that
//! does not start.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use super::config::{Config, KEYS, Key};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(String),
}

/// Texts by key name, with where they come from; the strongest source of each key.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<&'static str, (String, Source)>);

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    Unknown { name: String, place: String, nearest: Option<String> },
    Value { key: &'static str, text: String, source: Source, allowed: &'static str },
    File { path: PathBuf, problem: String },
}

/// Variables that begin with `BEACONFIRE_` and are read by the command line client, the tests and the benches.
const OTHER_VARIABLES: [&str; 4] = ["BEACONFIRE_CONFIG", "BEACONFIRE_URL", "BEACONFIRE_AUTH", "BEACONFIRE_BIN"];

impl Settings {
    /// The settings of a TOML file: flat, one `name = value` per line.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or has a key that is no setting.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        let problem = |problem: String| SettingsError::File { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| problem(error.to_string()))?;
        let mut settings = Self::default();
        for (name, value) in table {
            let key = find(&name).ok_or_else(|| SettingsError::Unknown {
                nearest: nearest(&name, KEYS.iter().map(|key| key.name.to_owned())),
                name: name.clone(),
                place: format!("in {}", path.display()),
            })?;
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(on) => on.to_string(),
                other => return Err(bad_value(key, other.to_string(), Source::File(path.to_owned()))),
            };
            settings.put(key, text, Source::File(path.to_owned()));
        }
        Ok(settings)
    }

    /// The settings among environment variables.
    ///
    /// # Errors
    /// If a variable begins with `BEACONFIRE_` and is no setting.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for (name, text) in variables {
            if !name.starts_with("BEACONFIRE_") || OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let key = KEYS.iter().find(|key| key.variable() == name).ok_or_else(|| SettingsError::Unknown {
                nearest: nearest(&name, KEYS.iter().map(Key::variable)),
                name: name.clone(),
                place: "in the environment".to_owned(),
            })?;
            settings.put(key, text, Source::Variable(name));
        }
        Ok(settings)
    }

    /// Adds a flag that was given.
    pub fn put_flag(&mut self, key: &'static Key, text: String) {
        self.put(key, text, Source::Flag(format!("--{}", key.flag())));
    }

    /// These settings, and those of `weaker` for keys that have none here.
    #[must_use]
    pub fn over(mut self, weaker: Self) -> Self {
        for (name, value) in weaker.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }

    /// The configuration that these settings make.
    ///
    /// # Errors
    /// If a value is not allowed.
    pub fn config(&self) -> Result<Config, SettingsError> {
        let mut config = Config::default();
        for key in KEYS {
            let Some((text, source)) = self.0.get(key.name) else { continue };
            (key.set)(&mut config, text).ok_or_else(|| bad_value(key, text.clone(), source.clone()))?;
        }
        Ok(config)
    }

    /// The effective configuration as a TOML file, each value with its meaning and where it comes from.
    ///
    /// # Errors
    /// As [`Settings::config`].
    pub fn print(&self) -> Result<String, SettingsError> {
        let config = self.config()?;
        let mut out =
            String::from("# The effective configuration. Flags win over the environment, that over the file.\n");
        let mut section = "";
        for key in KEYS {
            if key.section != section {
                section = key.section;
                let _ = write!(out, "\n# ---- {section} ----\n");
            }
            let source = self.0.get(key.name).map_or(&Source::Default, |(_, source)| source);
            let value = (key.show)(&config);
            let _ = writeln!(out, "\n# {}.\n# Allowed: {}.\n{} = {value} # {source}", key.help, key.allowed, key.name);
        }
        Ok(out)
    }

    fn put(&mut self, key: &'static Key, text: String, source: Source) {
        self.0.insert(key.name, (text, source));
    }
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

fn bad_value(key: &Key, text: String, source: Source) -> SettingsError {
    SettingsError::Value { key: key.name, text, source, allowed: key.allowed }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "from {}", path.display()),
            Self::Variable(name) => write!(f, "from {name} in the environment"),
            Self::Flag(name) => write!(f, "from the flag {name}"),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, place, nearest } => {
                write!(f, "`{name}` {place} is no setting")?;
                if let Some(nearest) = nearest {
                    write!(f, "; did you mean `{nearest}`?")?;
                }
                if is_of_kubernetes(name) {
                    write!(f, "\nKubernetes sets it for a service named beaconfire: set `enableServiceLinks: false`.")?;
                }
                write!(f, "\n`beaconfire config` lists all settings.")
            }
            Self::Value { key, text, source, allowed } => {
                write!(f, "{key} = `{text}` ({source}) is not allowed. Give {allowed}.")?;
                if text.starts_with("tcp://") {
                    write!(f, "\nKubernetes sets it for a service named beaconfire: set `enableServiceLinks: false`.")?;
                }
                Ok(())
            }
            Self::File { path, problem } => write!(f, "cannot read the config file {}: {problem}", path.display()),
        }
    }
}

impl std::error::Error for SettingsError {}

fn is_of_kubernetes(name: &str) -> bool {
    name.starts_with("BEACONFIRE_SERVICE_") || name.starts_with("BEACONFIRE_PORT_")
}

/// The known name that `name` was most likely meant to be.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let distances = known.map(|known| (edits(&name.to_ascii_lowercase(), &known.to_ascii_lowercase()), known));
    distances.min().filter(|(distance, _)| *distance <= name.len() / 3).map(|(_, known)| known)
}

/// How many letters have to be put in, taken out or replaced to make one of the other (Levenshtein).
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, wanted) in row.iter_mut().skip(1).zip(other.chars()) {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("beaconfire.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn variables(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    fn flags(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (name, text) in pairs {
            settings.put_flag(find(name).unwrap(), (*text).to_owned());
        }
        settings
    }

    #[test]
    fn flag_wins_over_environment_over_file_over_default() {
        let (_dir, path) = file("port = 1\nkeep_alive = \"1s\"\nephemeral = true\n");
        let file = Settings::from_file(&path).unwrap();
        let environment =
            variables(&[("BEACONFIRE_PORT", "2"), ("BEACONFIRE_KEEP_ALIVE", "2s"), ("HOME", "x")]).unwrap();
        let settings = flags(&[("port", "3")]).over(environment).over(file);
        let config = settings.config().unwrap();
        assert_eq!((config.port, config.keep_alive.as_secs(), config.ephemeral), (3, 2, true));
        assert_eq!(config.host, "127.0.0.1");
        let printed = settings.print().unwrap();
        assert!(printed.contains("port = 3 # from the flag --port\n"), "{printed}");
        assert!(printed.contains("keep_alive = \"2s\" # from BEACONFIRE_KEEP_ALIVE in the environment\n"), "{printed}");
        assert!(printed.contains(&format!("ephemeral = true # from {}\n", path.display())), "{printed}");
        assert!(printed.contains("host = \"127.0.0.1\" # default\n"), "{printed}");
    }

    #[test]
    fn printed_config_is_a_file_that_reads_back_the_same() {
        let settings = flags(&[("base_domain", "db.example.com"), ("outbox_bytes", "64KB"), ("data", "a \"b\" c")]);
        let (_dir, path) = file(&settings.print().unwrap());
        let again = Settings::from_file(&path).unwrap();
        assert_eq!(format!("{:?}", again.config().unwrap()), format!("{:?}", settings.config().unwrap()));
    }

    #[test]
    fn unknown_name_is_refused_with_the_nearest_one() {
        let (_dir, path) = file("presence_grase = \"1s\"\n");
        let error = Settings::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("`presence_grase`") && error.contains("did you mean `presence_grace`?"), "{error}");
        let error = variables(&[("BEACONFIRE_PROT", "1")]).unwrap_err().to_string();
        assert!(error.contains("did you mean `BEACONFIRE_PORT`?"), "{error}");
        let error = variables(&[("BEACONFIRE_COMPLETELY_OTHER", "1")]).unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
        assert!(variables(&[("BEACONFIRE_URL", "http://x")]).is_ok());
    }

    #[test]
    fn bad_value_names_key_source_and_what_is_allowed() {
        let error = variables(&[("BEACONFIRE_PORT", "tcp://10.0.0.1:9000")]).unwrap().config().unwrap_err().to_string();
        for part in ["port", "BEACONFIRE_PORT", "tcp://10.0.0.1:9000", "0 to 65535", "Kubernetes"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let (_dir, path) = file("port = [1]\n");
        let error = Settings::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("port = `[1]`") && error.contains("beaconfire.toml"), "{error}");
        let (_dir, path) = file("port = \n");
        assert!(Settings::from_file(&path).unwrap_err().to_string().contains("cannot read the config file"));
    }

    #[test]
    fn edits_counts_letters() {
        for (one, other, expected) in [("", "", 0), ("", "abc", 3), ("port", "prot", 2), ("kitten", "sitting", 3)] {
            assert_eq!(edits(one, other), expected);
        }
    }
}
