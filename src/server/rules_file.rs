//! The file with the rules: found, read, and read again.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Config;
use crate::base::limits::RULES_BYTES_MAX;
use crate::engine::Rules;

/// Why a rules file cannot be used. Says where.
#[derive(Debug)]
pub struct RulesFileError {
    path: PathBuf,
    /// One problem in a line, `line:col: text`, or what the system says.
    problems: String,
}

/// The file that the settings name; for an emulator also the one that `firebase.json` names in the working directory.
pub fn find(config: &Config) -> Option<PathBuf> {
    config.rules.clone().or_else(|| if config.production { None } else { of_project(Path::new("firebase.json")) })
}

/// What the tools of Firebase put into a project: the rules of its database, or of its first one.
fn of_project(file: &Path) -> Option<PathBuf> {
    let project: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let database = project.get("database")?;
    let database = database.as_array().map_or(database, |all| all.first().unwrap_or(database));
    let path = PathBuf::from(database.get("rules")?.as_str()?);
    let path = file.parent().map_or_else(|| path.clone(), |parent| parent.join(&path));
    path.exists().then_some(path)
}

/// Reads a rules file.
///
/// # Errors
/// It cannot be read, or says what no rules can.
pub fn read(path: &Path) -> Result<Rules, RulesFileError> {
    let wrong = |problems| RulesFileError { path: path.to_owned(), problems };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    if text.len() > RULES_BYTES_MAX {
        return Err(wrong(format!("it has more than {RULES_BYTES_MAX} bytes")));
    }
    Rules::parse_bytes(&text).map_err(|error| wrong(error.to_string()))
}

impl fmt::Display for RulesFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let mut lines = self.problems.lines().map(|line| format!("{path}:{line}"));
        write!(f, "the rules cannot be used:\n{}", lines.by_ref().collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for RulesFileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_names_the_rules_of_its_database() {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path().join("firebase.json");
        let rules = directory.path().join("database.rules.json");
        std::fs::write(&rules, r#"{"rules":{}}"#).unwrap();
        for text in [
            r#"{"database":{"rules":"database.rules.json"}}"#,
            r#"{"database":[{"target":"main","rules":"database.rules.json"},{"rules":"x"}]}"#,
        ] {
            std::fs::write(&project, text).unwrap();
            assert_eq!(of_project(&project), Some(rules.clone()), "{text}");
        }
        for text in ["{", "{}", r#"{"database":[]}"#, r#"{"database":{"rules":"absent.json"}}"#] {
            std::fs::write(&project, text).unwrap();
            assert_eq!(of_project(&project), None, "{text}");
        }
        assert!(read(&rules).is_ok());
        std::fs::write(&rules, "{\"rules\":{\n\".read\":\"tr\"}}").unwrap();
        let problem = read(&rules).unwrap_err().to_string();
        assert!(problem.ends_with("database.rules.json:2:10: Unknown variable 'tr'."), "{problem}");
    }
}
