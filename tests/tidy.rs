//! The house rules, kept by a test: arrows between rooms, headers, sizes, banned calls, commented dependencies.
//!
//! Every rule is a function from text to findings, so that it is tested here on good and bad samples, too. A finding
//! names file, line, rule and what to do. Reads source text only; knows no crate but std.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test: what is wrong here shall stop it")]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

// ---- The rules on the real tree ------------------------------------------------------------------------------------

#[test]
fn arrows_between_rooms_point_one_way() {
    let protocols = folders_in("src/protocols");
    assert_clean(sources(&["src"]).iter().flat_map(|source| arrows(source, &protocols)));
}

#[test]
fn every_source_file_has_a_header() {
    assert_clean(sources(&["src"]).iter().flat_map(header));
}

#[test]
fn files_and_lines_keep_their_size() {
    assert_clean(sources(&["src", "tests"]).iter().flat_map(sizes));
}

#[test]
fn nothing_panics_without_a_proof() {
    assert_clean(sources(&["src"]).iter().flat_map(panics));
}

#[test]
fn no_test_is_ignored_without_a_reason() {
    assert_clean(sources(&["src", "tests"]).iter().flat_map(ignored));
}

#[test]
fn only_the_command_line_prints() {
    assert_clean(sources(&["src"]).iter().flat_map(prints));
}

#[test]
fn only_base_reads_the_clock() {
    assert_clean(sources(&["src"]).iter().flat_map(clocks));
}

#[test]
fn every_dependency_says_what_for() {
    assert_clean(dependencies("Cargo.toml", &read("Cargo.toml")));
}

#[test]
fn every_migration_says_why() {
    let files = files_in("migrations", "sql");
    assert_clean(files.iter().flat_map(|path| migration(path, &read(path))));
}

// ---- The rules -----------------------------------------------------------------------------------------------------

const FILE_LINES_MAX: usize = 800;
const LINE_CHARS_MAX: usize = 120;

/// What each room may use, besides itself: `base < model < rules, auth, store, transport < engine < protocols < server
/// < cli`, siblings apart, and a protocol sees neither storage nor rules nor credentials.
const ROOMS: [(&str, &[&str]); 10] = [
    ("base", &[]),
    ("model", &["base"]),
    ("rules", &["base", "model"]),
    ("auth", &["base", "model"]),
    ("store", &["base", "model"]),
    ("transport", &["base", "model"]),
    ("engine", &["base", "model", "rules", "auth", "store", "transport"]),
    ("protocols", &["base", "model", "transport", "engine"]),
    ("server", &["base", "model", "rules", "auth", "store", "transport", "engine", "protocols"]),
    ("cli", &["base", "model", "rules", "auth", "store", "transport", "engine", "protocols", "server"]),
];

/// A room imports only what stands left of it; a protocol never imports another protocol.
fn arrows(source: &Source, protocols: &[String]) -> Vec<Finding> {
    let module = source.module_path();
    let Some(room) = module.first() else { return Vec::new() }; // main.rs and lib.rs are no room
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| name == room) else {
        let what = format!("`{room}` is no room of the architecture");
        return vec![Finding::new(source, 1, what, "move the file into a room, or name the room in ROOMS here")];
    };
    let mut findings = Vec::new();
    for used in source.paths_from_root() {
        let Some(target) = used.segments.first() else { continue };
        if target == "*" {
            let advice = "name what is used: `use crate::room::Name`";
            findings.push(Finding::new(source, used.line, "takes in all rooms at once", advice));
        }
        if !ROOMS.iter().any(|(name, _)| name == target) {
            continue;
        }
        if target != room && !allowed.contains(&target.as_str()) {
            let what = format!("room `{room}` uses room `{target}`");
            let may = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            let advice = format!("`{room}` may use {may}; hand the value in, or move the code where both may be known");
            findings.push(Finding::new(source, used.line, what, &advice));
        }
        let own = module.get(1);
        let other = used.segments.get(1).filter(|name| target == "protocols" && protocols.contains(name));
        if let (true, Some(other), Some(own)) = (room == "protocols", other, own)
            && own != other
        {
            let what = format!("protocol `{own}` uses protocol `{other}`");
            let advice = "protocols are strangers: share through engine or transport";
            findings.push(Finding::new(source, used.line, what, advice));
        }
    }
    findings.dedup_by(|one, other| (one.line, &one.what) == (other.line, &other.what)); // `crate::store::{Log, Tree}`
    findings
}

/// Every source file begins with a `//!` header.
fn header(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    let advice = "begin the file with `//! What it is.`, then the idea and what it knows nothing of";
    vec![Finding::new(source, 1, "no header", advice)]
}

/// Files and lines have a bound. Lines with a URL may be longer.
fn sizes(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        let what = format!("{lines} lines, more than {FILE_LINES_MAX}");
        findings.push(Finding::new(source, lines, what, "ask which two ideas the file holds, and make two files"));
    }
    for (index, line) in source.text.lines().enumerate() {
        let chars = line.chars().count();
        if chars > LINE_CHARS_MAX && !line.contains("://") {
            let what = format!("{chars} characters in a line, more than {LINE_CHARS_MAX}");
            findings.push(Finding::new(source, index + 1, what, "break the line"));
        }
    }
    findings
}

/// No call that may panic outside of tests; `expect` only below a comment that proves why it cannot fail.
fn panics(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for banned in [".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!("] {
        for line in source.lines_with(banned) {
            let advice = "return an error; if it cannot happen, `expect` below a comment `// Cannot fail: ...`";
            findings.push(Finding::new(source, line, format!("`{banned}` outside of tests"), advice));
        }
    }
    for line in source.lines_with(".expect(") {
        if !source.has_proof_above(line) {
            let advice = "put a line `// Cannot fail: <why>` above the statement, or return an error";
            findings.push(Finding::new(source, line, "`expect` without a proof", advice));
        }
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// An ignored test says why.
fn ignored(source: &Source) -> Vec<Finding> {
    let lines = source.all_lines_with("#[ignore]");
    let finding = |line| Finding::new(source, line, "`#[ignore]` without a reason", "write `#[ignore = \"why\"]`");
    lines.into_iter().map(finding).collect()
}

/// Standard output belongs to the command line.
fn prints(source: &Source) -> Vec<Finding> {
    if source.path == "src/main.rs" || source.path.starts_with("src/cli/") {
        return Vec::new();
    }
    let lines = ["println!", "print!"].into_iter().flat_map(|call| source.lines_with(call));
    let advice = "log with `tracing`, or return the text to src/cli";
    lines.map(|line| Finding::new(source, line, "prints to standard output", advice)).collect()
}

/// Time comes in from `base` as a value. Timers of tokio, and its own `Instant`, are fine: tests can pause them.
fn clocks(source: &Source) -> Vec<Finding> {
    if source.path.starts_with("src/base/") {
        return Vec::new();
    }
    let mut lines = source.lines_with("SystemTime::now");
    if !source.imports("tokio::time", "Instant") {
        let own = source.lines_with("Instant::now");
        let tokio = source.lines_with("tokio::time::Instant::now");
        lines.extend(own.into_iter().filter(|line| !tokio.contains(line)));
    }
    let advice = "take a `base::Clock`, or the time itself, as an argument";
    lines.into_iter().map(|line| Finding::new(source, line, "reads the clock outside src/base", advice)).collect()
}

/// Every dependency line in a manifest ends in a comment that says what the crate is for.
fn dependencies(path: &str, manifest: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_dependencies = false;
    let mut open_brackets = 0_i32;
    for (index, line) in manifest.lines().enumerate() {
        let (toml, comment) = split_toml_comment(line);
        let toml = toml.trim();
        let begins = open_brackets == 0 && !toml.is_empty();
        let is_header = begins && toml.starts_with('[');
        if is_header {
            in_dependencies = toml.trim_end_matches(']').ends_with("dependencies");
        }
        let single = is_header && toml.contains("dependencies."); // [dependencies.name]
        let entry = begins && in_dependencies && !is_header;
        if (entry || single) && comment.trim_matches(['#', ' ']).is_empty() {
            let what = format!("dependency without a reason: {toml}");
            let advice = "end the line with `# what it is for`";
            findings.push(Finding { path: path.to_owned(), line: index + 1, what, advice: advice.to_owned() });
        }
        if !is_header {
            let count = |of: [char; 2]| i32::try_from(toml.matches(of).count()).unwrap_or(i32::MAX);
            open_brackets += count(['[', '{']) - count([']', '}']);
        }
    }
    findings
}

/// A migration begins with a comment that says why it exists.
fn migration(path: &str, sql: &str) -> Vec<Finding> {
    let why = sql.lines().next().and_then(|line| line.strip_prefix("--")).unwrap_or("");
    if why.split_whitespace().count() >= 3 {
        return Vec::new();
    }
    let advice = "begin the file with `-- Why this migration exists.`".to_owned();
    vec![Finding { path: path.to_owned(), line: 1, what: "no reason at the head".to_owned(), advice }]
}

// ---- Findings, files -----------------------------------------------------------------------------------------------

#[derive(Debug)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    advice: String,
}

impl Finding {
    fn new(source: &Source, line: usize, what: impl Into<String>, advice: &str) -> Self {
        Self { path: source.path.clone(), line, what: what.into(), advice: advice.to_owned() }
    }
}

fn assert_clean(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings
        .into_iter()
        .map(|Finding { path, line, what, advice }| format!("{path}:{line}: {what}\n    {advice}"))
        .collect();
    assert!(lines.is_empty(), "{} house rule(s) broken:\n{}\n", lines.len(), lines.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let paths = folders.iter().flat_map(|folder| files_in(folder, "rs"));
    let mut sources: Vec<Source> = paths.map(|path| Source::new(&path, &read(&path))).collect();
    let tests_only: Vec<String> = sources.iter().flat_map(Source::test_module_files).collect();
    for source in &mut sources {
        if tests_only.iter().any(|path| source.path == *path || source.path.starts_with(&path.replace(".rs", "/"))) {
            source.mark_as_test();
        }
    }
    assert!(!sources.is_empty(), "no source found: the check would pass for nothing");
    sources
}

/// Files below `folder` with the extension, as paths from the root with `/`, sorted. Installed packages are not ours.
fn files_in(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(folder)];
    while let Some(folder) = waiting.pop() {
        for path in entries(&folder) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules" && name != "target") {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let relative = path.strip_prefix(root()).unwrap_or(&path);
                found.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn folders_in(folder: &str) -> Vec<String> {
    let folders = entries(&root().join(folder)).into_iter().filter(|path| path.is_dir());
    folders.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// A TOML line and its comment, `#` included; a `#` in a string begins none.
fn split_toml_comment(line: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '#') => return line.split_at(at),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
    }
    (line, "")
}

// ---- Rust text, as far as the rules need it ------------------------------------------------------------------------

/// A source file, its code with comments and literals blanked out, and where its tests are.
struct Source {
    path: String,
    text: String,
    /// As long as `text`, byte for byte, so that places in one are places in the other.
    code: String,
    tests: Vec<Range<usize>>,
    inline_modules: Vec<Range<usize>>,
}

/// A path that is written from the root of the crate, or leads there through `super`.
struct Used {
    line: usize,
    segments: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = blank_out(text);
        let tests = test_regions(&code);
        let inline_modules = words(&code, "mod").filter_map(|at| block_after(&code, at)).collect();
        Self { path: path.to_owned(), text: text.to_owned(), code, tests, inline_modules }
    }

    fn mark_as_test(&mut self) {
        self.tests = std::iter::once(0..self.code.len()).collect();
    }

    /// `src/a/b.rs` is `[a, b]`, and so is `src/a/b/mod.rs`; main.rs and lib.rs are the root.
    fn module_path(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        if matches!(path, "main" | "lib") { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
    }

    /// Files that hold a module declared as `#[cfg(test)] mod name;` here.
    fn test_module_files(&self) -> Vec<String> {
        let beside = ["/mod.rs", "/lib.rs", "/main.rs"].iter().find_map(|front| self.path.strip_suffix(front));
        let folder = beside.unwrap_or_else(|| self.path.trim_end_matches(".rs"));
        let declared = self.tests.iter().filter_map(|region| self.code.get(region.clone())?.strip_suffix(';'));
        let names = declared.filter_map(|code| code.rsplit_once("mod ").map(|(_, name)| name.trim()));
        names.map(|name| format!("{folder}/{name}.rs")).collect()
    }

    /// Lines outside of tests on which `wanted` begins as a word of its own.
    fn lines_with(&self, wanted: &str) -> Vec<usize> {
        let outside = words(&self.code, wanted).filter(|at| !self.tests.iter().any(|region| region.contains(at)));
        outside.map(|at| self.line_of(at)).collect()
    }

    fn all_lines_with(&self, wanted: &str) -> Vec<usize> {
        words(&self.code, wanted).map(|at| self.line_of(at)).collect()
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn imports(&self, module: &str, name: &str) -> bool {
        let (first, last) = module.split_once("::").unwrap_or((module, ""));
        let uses = words(&self.code, "use").filter_map(|at| self.code[at + 3..].split(';').next());
        uses.map(str::trim).any(|path| path.starts_with(first) && has_word(path, last) && has_word(path, name))
    }

    /// Whether the statement that `line` belongs to has a comment `// Cannot fail: ...` above it.
    fn has_proof_above(&self, line: usize) -> bool {
        let above = self.text.lines().zip(self.code.lines()).take(line - 1).collect::<Vec<_>>();
        for (text, code) in above.into_iter().rev() {
            if text.trim().starts_with("// Cannot fail: ") {
                return true;
            }
            let comment = text.trim().starts_with("//");
            if !comment && (code.trim().is_empty() || code.trim().ends_with([';', '{', '}'])) {
                return false;
            }
        }
        false
    }

    /// Every path that begins with `crate::`, with our own name, or climbs with `super::`, with groups taken apart.
    fn paths_from_root(&self) -> Vec<Used> {
        let module = self.module_path();
        let mut found = Vec::new();
        for root in ["crate::", "beaconfire::"] {
            for at in words(&self.code, root) {
                self.take_path(at + root.len(), Vec::new(), &mut found);
            }
        }
        let climbs = words(&self.code, "super::").filter(|at| !self.code[..*at].ends_with("super::"));
        for start in climbs {
            let mut at = start;
            let mut depth = module.len() + self.inline_modules.iter().filter(|range| range.contains(&start)).count();
            while self.code[at..].starts_with("super::") {
                at += "super::".len();
                depth = depth.saturating_sub(1);
            }
            if let Some(prefix) = module.get(..depth) {
                self.take_path(at, prefix.to_vec(), &mut found);
            }
        }
        found.sort_by_key(|used| used.line);
        found
    }

    fn take_path(&self, start: usize, mut segments: Vec<String>, found: &mut Vec<Used>) {
        let mut at = start;
        loop {
            let rest = &self.code[at..];
            if let Some(group) = rest.starts_with('{').then(|| matching(&self.code, at)) {
                let mut item = at + 1;
                let mut depth = 0_i32;
                for place in at + 1..group {
                    match self.code.as_bytes()[place] {
                        b'{' => depth += 1,
                        b'}' => depth -= 1,
                        b',' if depth == 0 => {
                            self.take_path(item, segments.clone(), found);
                            item = place + 1;
                        }
                        _ => {}
                    }
                }
                if !self.code[item..group].trim().is_empty() {
                    self.take_path(item, segments, found);
                }
                return;
            }
            let spaces = rest.len() - rest.trim_start().len();
            let rest = &rest[spaces..];
            let name = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
            let name = if rest.starts_with('*') { 1 } else { name };
            segments.push(rest[..name].to_owned());
            at += spaces + name;
            if name == 0 || !self.code[at..].starts_with("::") {
                found.push(Used { line: self.line_of(at), segments });
                return;
            }
            at += 2;
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Places at which `wanted` stands, not as the tail of a longer word.
fn words<'a>(code: &'a str, wanted: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bound = |before: &str, after: &str| {
        let begins = !(wanted.starts_with(is_word) && before.ends_with(is_word));
        begins && !(wanted.ends_with(is_word) && after.starts_with(is_word))
    };
    code.match_indices(wanted).map(|(at, _)| at).filter(move |at| bound(&code[..*at], &code[at + wanted.len()..]))
}

fn has_word(code: &str, wanted: &str) -> bool {
    words(code, wanted).next().is_some()
}

/// The place of the bracket that closes the one at `open`, or the end.
fn matching(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, letter) in code[open..].char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at;
        }
    }
    code.len()
}

/// The `{...}` of the item that goes on at `from`, unless a `;` ends the item first.
fn block_after(code: &str, from: usize) -> Option<Range<usize>> {
    let end = item_end(code, from);
    let open = from + code[from..end].find('{')?;
    Some(open..end)
}

/// Where the item that goes on at `from` ends: behind its `;` or its block.
fn item_end(code: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(found) = code[at..].find([';', '{', '(', '[']) {
        at += found;
        match code.as_bytes()[at] {
            b';' => return at + 1,
            b'{' => return (matching(code, at) + 1).min(code.len()),
            _ => at = (matching(code, at) + 1).min(code.len()),
        }
    }
    code.len()
}

/// Items under `#[cfg(test)]` or `#[test]`, attribute included; the whole file under `#![cfg(test)]`.
fn test_regions(code: &str) -> Vec<Range<usize>> {
    let mut regions = Vec::new();
    for (hash, _) in code.match_indices('#') {
        let whole_file = code[hash..].starts_with("#![");
        let open = hash + if whole_file { 2 } else { 1 };
        if !code[open..].starts_with('[') {
            continue;
        }
        let close = matching(code, open);
        let attribute = code[open + 1..close].trim();
        let cfg = attribute.starts_with("cfg(") && has_word(attribute, "test") && !attribute.contains("not(test");
        let test = attribute == "test" || attribute.starts_with("tokio::test");
        if whole_file && cfg {
            return std::iter::once(0..code.len()).collect();
        }
        if cfg || test {
            regions.push(hash..item_end(code, (close + 1).min(code.len())));
        }
    }
    regions
}

/// The code with every comment and every literal made into spaces; lines and places stay.
fn blank_out(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let blank = literal_bytes(rest, code.chars().next_back().is_some_and(is_word));
        let (token, after) = rest.split_at(blank.unwrap_or(letter.len_utf8()));
        if blank.is_some() {
            code.extend(token.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(token);
        }
        rest = after;
    }
    code
}

/// The length of the comment or literal that `rest` begins with, if it does.
fn literal_bytes(rest: &str, in_word: bool) -> Option<usize> {
    let to = |found: Option<usize>, closing: usize| Some(found.map_or(rest.len(), |at| at + closing));
    if rest.starts_with("//") {
        return to(rest.find('\n'), 0);
    }
    if rest.starts_with("/*") {
        let mut depth = 0_usize;
        for (at, _) in rest.char_indices() {
            if rest[at..].starts_with("/*") {
                depth += 1;
            } else if rest[..at].ends_with("*/") && at > 3 {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        return Some(rest.len());
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return to(unescaped(inside, '"'), 2);
    }
    if let Some(raw) = ["r", "br", "cr"].iter().find_map(|mark| rest.strip_prefix(mark)).filter(|_| !in_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let begin = rest.len() - raw.len() + hashes + 1;
            return to(rest[begin..].find(&close), begin + close.len());
        }
    }
    let inside = rest.strip_prefix('\'')?;
    let escaped = inside.starts_with('\\');
    let one = inside.chars().next().is_some_and(|letter| inside[letter.len_utf8()..].starts_with('\''));
    if escaped || one { to(unescaped(inside, '\''), 2) } else { None } // else a lifetime
}

fn unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == wanted && !escaped {
            return Some(at);
        }
        escaped = letter == '\\' && !escaped;
    }
    None
}

// ---- Samples: each rule sees what it should, and nothing else ------------------------------------------------------

/// The lines of the findings of `rule` on a file at `path` with `text`.
#[track_caller]
fn check(rule: impl Fn(&Source) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
    let found: Vec<usize> = rule(&Source::new(path, text)).iter().map(|finding| finding.line).collect();
    assert_eq!(found, lines, "in {path}:\n{text}");
}

#[test]
fn arrow_rule_sees_every_way_to_reach_a_room() {
    let protocols = ["rest".to_owned(), "realtime".to_owned()];
    let arrow = |path: &str, text: &str, lines: &[usize]| check(|source| arrows(source, &protocols), path, text, lines);

    let path = "src/model/path.rs";
    arrow(path, "use crate::base::limits;\nuse crate::model::Key;\nuse super::key::Key;\n", &[]);
    arrow(path, "use crate::engine::Request;\n", &[1]);
    arrow(path, "use std::fmt;\n\nuse crate::{\n    base,\n    store::{Log, Tree},\n};\n", &[5]);
    arrow(path, "fn f() -> crate::store::Log {\n    beaconfire::server::start()\n}\n", &[1, 2]);
    arrow(path, "// use crate::engine;\nconst A: &str = \"crate::engine\"; /* crate::cli */\n", &[]);
    arrow("src/store/log.rs", "use crate::transport::Outbox;\nuse crate::rules::Rules;\n", &[1, 2]);

    let engine = "src/engine/mod.rs";
    arrow(engine, "use crate::store::Log;\nuse crate::transport::Outbox;\nuse crate::rules;\n", &[]);
    arrow(engine, "use super::server::Config;\nuse super::store::Log;\n", &[1]);
    arrow(engine, "mod tests {\n    use super::server;\n    use super::super::cli;\n}\n", &[3]);
    arrow(engine, "use super::*;\nuse crate::*;\n", &[1, 2]);
    arrow(engine, "pub(crate) fn f() {}\nmod tests {\n    use super::*;\n}\n", &[]);
    arrow("src/engine/views.rs", "use super::super::server::Config;\nuse super::super::store::Log;\n", &[1]);

    let rest = "src/protocols/rest/mod.rs";
    arrow(rest, "use crate::engine::Engine;\nuse crate::transport::Sse;\nuse crate::base;\n", &[]);
    arrow(rest, "use crate::store::Log;\nuse crate::auth;\nuse crate::rules;\n", &[1, 2, 3]);
    let codec = "src/protocols/rest/codec.rs";
    arrow(codec, "use crate::protocols::realtime::Frame;\nuse crate::protocols::rest::X;\n", &[1]);
    arrow(codec, "use super::super::realtime::Frame;\nuse super::realtime;\n", &[1]);
    arrow("src/protocols/rest.rs", "use super::{realtime::Frame, Table};\n", &[1]);
    arrow("src/protocols/mod.rs", "use crate::protocols::realtime;\npub mod rest;\n", &[]);

    arrow("src/server/mod.rs", "use crate::protocols::rest;\nuse crate::cli;\n", &[2]);
    arrow("src/cli/mod.rs", "use crate::server::Config;\n", &[]);
    arrow("src/lib.rs", "pub use crate::server::Config;\n", &[]);
    arrow("src/helpers/mod.rs", "//! Odds and ends.\n", &[1]);
    arrow("src/helpers.rs", "//! Odds and ends.\n", &[1]);
}

#[test]
fn header_rule_wants_a_header_first() {
    check(header, "src/base/mod.rs", "//! What it is.\n", &[]);
    check(header, "src/base/mod.rs", "use std::fmt;\n//! Too late.\n", &[1]);
    check(header, "src/base/mod.rs", "", &[1]);
}

#[test]
fn size_rule_counts_lines_and_characters() {
    check(sizes, "src/base/mod.rs", &"x\n".repeat(800), &[]);
    check(sizes, "src/base/mod.rs", &"x\n".repeat(801), &[801]);
    check(sizes, "src/base/mod.rs", &format!("{}\n{}\n", "ü".repeat(120), "ü".repeat(121)), &[2]);
    check(sizes, "src/base/mod.rs", &format!("// https://example.org/{}\n", "x".repeat(120)), &[]);
}

#[test]
fn panic_rule_spares_tests_strings_and_comments() {
    let panic = |text: &str, lines: &[usize]| check(panics, "src/base/a.rs", text, lines);
    panic("g().unwrap();\npanic!(\"no\");\ntodo!();\ndbg!(1);\nunimplemented!();\n", &[1, 2, 3, 4, 5]);
    panic("fn f() { g().unwrap_or(0); }\n// x.unwrap()\nconst A: &str = r#\"panic!(\"#;\n", &[]);
    panic("#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap(); }\n}\nfn h() { i().unwrap() }\n", &[5]);
    panic("#[cfg(all(test, unix))]\nfn f() { g().unwrap() }\nfn h() { i().unwrap() }\n", &[3]);
    panic("#[cfg(not(test))]\nfn f() { g().unwrap() }\n", &[2]);
    panic("#![cfg(test)]\nfn f() { g().unwrap() }\n", &[]);
    panic("const Q: char = '\"';\nfn f<'a>() { g().unwrap() }\n/* a /* b */ */ fn h() { i().unwrap() }\n", &[2, 3]);
}

#[test]
fn panic_rule_wants_a_proof_above_expect() {
    let panic = |text: &str, lines: &[usize]| check(panics, "src/base/a.rs", text, lines);
    panic("fn f() {\n    g().expect(\"yes\");\n}\n", &[2]);
    panic("fn f() {\n    // Cannot fail: g is total.\n    g().expect(\"yes\");\n}\n", &[]);
    panic("// Cannot fail: g is\n// total.\nlet x = g()\n    .h()\n    .expect(\"yes\");\n", &[]);
    panic("// Cannot fail: g is total.\nlet x = g();\nx.expect(\"yes\");\n", &[3]);
    panic("#[expect(dead_code)]\nfn expect() {}\n", &[]);
}

#[test]
fn ignore_rule_wants_a_reason() {
    check(ignored, "tests/a.rs", "#[test]\n#[ignore = \"needs an hour\"]\nfn a() {}\n", &[]);
    check(ignored, "tests/a.rs", "#[test]\n#[ignore]\nfn a() {}\n// #[ignore]\n", &[2]);
}

#[test]
fn print_rule_knows_who_may() {
    check(prints, "src/engine/a.rs", "println!(\"a\");\neprintln!(\"b\");\nprint!(\"c\");\n", &[1, 3]);
    check(prints, "src/cli/get.rs", "fn f() { println!(\"a\") }\n", &[]);
    check(prints, "src/main.rs", "fn f() { println!(\"a\") }\n", &[]);
    check(prints, "src/engine/a.rs", "#[test]\nfn f() { println!(\"a\") }\n", &[]);
}

#[test]
fn clock_rule_spares_base_and_tokio() {
    check(clocks, "src/base/clock.rs", "fn f() { SystemTime::now() }\n", &[]);
    let clock = |text: &str, lines: &[usize]| check(clocks, "src/engine/a.rs", text, lines);
    clock("fn f() { std::time::SystemTime::now() }\nfn g() { Instant::now() }\n", &[1, 2]);
    clock("use tokio::time::{sleep, Instant};\nfn g() { Instant::now() }\n", &[]);
    clock("fn g() { tokio::time::Instant::now() }\nfn h() { std::time::Instant::now() }\n", &[2]);
    clock("#[cfg(test)]\nmod tests { fn g() { Instant::now() } }\n", &[]);
}

#[test]
fn dependency_rule_reads_toml() {
    let check = |manifest: &str, lines: &[usize]| {
        let found: Vec<usize> = dependencies("Cargo.toml", manifest).iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "in {manifest}");
    };
    check("[package]\nname = \"x\"\n[dependencies]\na = \"1\" # words\nb = { version = \"1\" }\n", &[5]);
    check("[dev-dependencies]\na = \"1#2\"\nb = \"1\" #\n\n# a remark\n[profile.dev]\nx = 1\n", &[2, 3]);
    check("[target.'cfg(unix)'.dependencies]\na = { features = [ # b\n  \"b\",\n] }\nc = \"1\"\n", &[5]);
    check("[dependencies.a] # words\nversion = \"1\"\n[dependencies.b]\nversion = \"1\"\n", &[3]);
}

#[test]
fn migration_rule_wants_a_reason_first() {
    let lines = |sql: &str| migration("migrations/V1__a.sql", sql).len();
    assert_eq!(lines("-- The first tables: one row per leaf.\nCREATE TABLE a (b);\n"), 0);
    assert_eq!(lines("CREATE TABLE a (b);\n-- Too late to say.\n"), 1);
    assert_eq!(lines("-- tables\n"), 1);
}
