//! Profiles by name: those that come with Homeward, and a directory of one's own.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, LazyLock},
};

use super::{
    Alarms, Commands, DENSE, Item, Items, Profile, ProfileError,
    read::{Draft, draft, max_code},
};
use crate::Protocol;

/// Longest chain of profiles that extend one another.
const MAX_CHAIN: usize = 8;
/// Largest file.
const MAX_FILE_BYTES: u64 = 1 << 20;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../profiles/", $name, ".toml")))),*]
    };
}

/// The files that come with Homeward.
pub(super) const EMBEDDED: &[(&str, &str)] = embedded![
    "native",
    "jt808",
    "jt808-ankle",
    "jt808-padlock",
    "jt808-wearable",
    "teltonika",
    "teltonika-fmb",
    "teltonika-personal",
    "teltonika-wearable",
    "gt06",
    "gt06-lw",
    "gt06-personal",
    "gt06-vl",
    "gt06-wearable",
    "eelink",
    "eelink-wearable",
];

static BUILTIN: LazyLock<Profiles> = LazyLock::new(|| {
    let drafts = EMBEDDED.iter().map(|(file, text)| draft(file, text));
    // A test reads every embedded file, so the other side is never taken.
    let profiles = drafts
        .collect::<Result<Vec<_>, _>>()
        .and_then(|drafts| Profiles::default().with(drafts, true));
    profiles.unwrap_or_default()
});

static UNKNOWN: LazyLock<Arc<Profile>> = LazyLock::new(Arc::default);

/// Profiles by name, and the default of each protocol.
#[derive(Debug, Default, Clone)]
pub struct Profiles {
    drafts: BTreeMap<String, Draft>,
    known: BTreeMap<String, Arc<Profile>>,
    defaults: BTreeMap<Protocol, String>,
}

impl Profiles {
    /// Those that come with Homeward.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Those that come with Homeward, and every `*.toml` of a directory.
    pub fn load(directory: &Path) -> Result<Self, ProfileError> {
        let wrong = |path: &Path, error: &io::Error| ProfileError {
            file: path.display().to_string(),
            key: "profiles".to_owned(),
            problem: error.to_string(),
            cure: "name a directory of TOML files that can be read".to_owned(),
        };
        let entries = fs::read_dir(directory).map_err(|error| wrong(directory, &error))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| wrong(directory, &error))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
        files.sort();
        let mut drafts = Vec::with_capacity(files.len());
        for path in files {
            drafts.push(Self::read(&path)?);
        }
        Self::builtin().clone().with(drafts, false)
    }

    /// These and one more file, for trying it out. Its name may be one that is known: then it takes that one's place.
    pub fn with_file(&self, path: &Path) -> Result<(Self, Arc<Profile>), ProfileError> {
        let draft = Self::read(path)?;
        self.with_draft(draft)
    }

    /// These and one more, from its text.
    pub fn with_text(&self, file: &str, text: &str) -> Result<(Self, Arc<Profile>), ProfileError> {
        self.with_draft(draft(file, text)?)
    }

    fn with_draft(&self, draft: Draft) -> Result<(Self, Arc<Profile>), ProfileError> {
        let mut others = self.clone();
        let name = draft.name.clone();
        others.drafts.remove(&name);
        others.known.remove(&name);
        let all = others.with(vec![draft], false)?;
        let profile = all.get(&name).cloned().unwrap_or_default();
        Ok((all, profile))
    }

    fn read(path: &Path) -> Result<Draft, ProfileError> {
        let file = path.display().to_string();
        let wrong = |problem: String, cure: &str| ProfileError {
            file: file.clone(),
            key: "file".to_owned(),
            problem,
            cure: cure.to_owned(),
        };
        let size = fs::metadata(path)
            .map_err(|error| wrong(error.to_string(), "name a file that can be read"))?
            .len();
        if size > MAX_FILE_BYTES {
            return Err(wrong(format!("{size} bytes"), "a profile has at most 1 MiB"));
        }
        let bytes = fs::read(path).map_err(|error| wrong(error.to_string(), "name a file that can be read"))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("no UTF-8".to_owned(), "save it as UTF-8"))?;
        draft(&file, &text)
    }

    /// Adds files to those that are there; they may extend one another in any order.
    fn with(mut self, drafts: Vec<Draft>, builtin: bool) -> Result<Self, ProfileError> {
        let mut names = Vec::with_capacity(drafts.len());
        for draft in drafts {
            if let Some(other) = self.drafts.get(&draft.name) {
                return Err(error(
                    &draft,
                    "name",
                    &format!("{:?} is the name of {}, too", draft.name, other.file),
                    "give it another name",
                ));
            }
            names.push(draft.name.clone());
            self.drafts.insert(draft.name.clone(), draft);
        }
        let mut own_defaults: BTreeMap<Protocol, &str> = BTreeMap::new();
        for name in &names {
            let Some(draft) = self.drafts.get(name) else {
                continue;
            };
            let chain = self.chain(draft)?;
            let protocol = protocol_of(draft, &chain)?;
            let profile = compile(draft, &chain, protocol, builtin);
            self.known.insert(name.clone(), Arc::new(profile));
            if builtin && protocol.name() == name {
                self.defaults.insert(protocol, name.clone());
            }
            if draft.default {
                if let Some(other) = own_defaults.insert(protocol, name) {
                    return Err(error(
                        draft,
                        "default",
                        &format!("{other:?} is a default for {protocol}, too"),
                        "leave one of them",
                    ));
                }
                self.defaults.insert(protocol, name.clone());
            }
        }
        // What extends a profile that has just taken another's place is made anew.
        let stale: Vec<String> = self
            .drafts
            .keys()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        for name in stale {
            if let Some(draft) = self.drafts.get(&name)
                && draft.extends.as_ref().is_some_and(|parent| names.contains(parent))
            {
                let chain = self.chain(draft)?;
                let protocol = protocol_of(draft, &chain)?;
                let builtin = self.known.get(&name).is_some_and(|profile| profile.builtin);
                let profile = compile(draft, &chain, protocol, builtin);
                self.known.insert(name, Arc::new(profile));
            }
        }
        Ok(self)
    }

    /// What a profile extends, nearest first.
    fn chain(&self, draft: &Draft) -> Result<Vec<&Draft>, ProfileError> {
        let mut chain: Vec<&Draft> = Vec::new();
        let mut next = draft.extends.as_deref();
        let mut child = draft;
        while let Some(name) = next {
            if name == draft.name || chain.iter().any(|one| one.name == name) {
                let own = [draft.name.as_str()].into_iter();
                let names: Vec<&str> = own
                    .chain(chain.iter().map(|one| one.name.as_str()))
                    .chain([name])
                    .collect();
                return Err(error(
                    draft,
                    "extends",
                    &format!("a circle: {}", names.join(" → ")),
                    "let one of them stand alone",
                ));
            }
            let Some(parent) = self.drafts.get(name) else {
                let known: Vec<&str> = self
                    .drafts
                    .keys()
                    .map(String::as_str)
                    .filter(|known| *known != draft.name)
                    .collect();
                return Err(error(
                    child,
                    "extends",
                    &format!("there is no profile {name:?}"),
                    &format!("write one of {}", known.join(", ")),
                ));
            };
            if chain.len() == MAX_CHAIN {
                return Err(error(
                    draft,
                    "extends",
                    "more than 8 profiles deep",
                    "extend a simpler one",
                ));
            }
            chain.push(parent);
            next = parent.extends.as_deref();
            child = parent;
        }
        Ok(chain)
    }

    /// Finds a profile.
    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.known.get(name)
    }

    /// The profile of a device: the named one if it is of the protocol, otherwise the protocol's default.
    pub fn of_device(&self, name: &str, protocol: Protocol) -> &Arc<Profile> {
        let named = self.get(name).filter(|profile| profile.protocol == Some(protocol));
        named.unwrap_or_else(|| self.default_for(protocol))
    }

    /// The profile of a device that has no other.
    pub fn default_for(&self, protocol: Protocol) -> &Arc<Profile> {
        let name = self.defaults.get(&protocol);
        name.and_then(|name| self.known.get(name)).unwrap_or(&UNKNOWN)
    }

    /// True when it is its protocol's default.
    pub fn is_default(&self, profile: &Profile) -> bool {
        profile
            .protocol
            .is_some_and(|protocol| self.default_for(protocol).name == profile.name)
    }

    /// All, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.known.values()
    }
}

fn error(draft: &Draft, key: &str, problem: &str, cure: &str) -> ProfileError {
    ProfileError {
        file: draft.file.clone(),
        key: key.to_owned(),
        problem: problem.to_owned(),
        cure: cure.to_owned(),
    }
}

fn protocol_of(draft: &Draft, chain: &[&Draft]) -> Result<Protocol, ProfileError> {
    let inherited = chain.iter().rev().find_map(|parent| parent.protocol);
    let protocol = match (draft.protocol, inherited) {
        (Some(own), Some(other)) if own != other => {
            let problem = format!("{own} extends a profile of {other}");
            return Err(error(
                draft,
                "extends",
                &problem,
                "extend a profile of the same protocol",
            ));
        }
        (own, inherited) => own.or(inherited),
    };
    let protocol =
        protocol.ok_or_else(|| error(draft, "protocol", "missing", "write protocol = \"gt06\" or the like"))?;
    let max = max_code(Some(protocol));
    match draft.alarms.keys().find(|code| i64::from(**code) > max) {
        Some(code) => Err(error(
            draft,
            &format!("alarms.{code}"),
            &format!("{code:#x} is no alarm code of {protocol}"),
            &format!("write a code from 0 to {max}"),
        )),
        None => Ok(protocol),
    }
}

/// Puts a profile and what it extends together: its own codes, items and commands come before inherited ones.
fn compile(draft: &Draft, chain: &[&Draft], protocol: Protocol, builtin: bool) -> Profile {
    let mut codes = BTreeMap::new();
    let mut items = BTreeMap::new();
    let mut other = None;
    let mut commands = Commands::default();
    for one in chain.iter().rev().copied().chain([draft]) {
        codes.extend(one.alarms.iter().map(|(code, words)| (*code, *words)));
        items.extend(one.items.iter().map(|(id, items)| (*id, items)));
        other = one.other.or(other);
        let own = one.commands.clone();
        commands = Commands {
            locate: own.locate.or(commands.locate),
            interval: own.interval.or(commands.interval),
            vibrate: own.vibrate.or(commands.vibrate),
            text: own.text.or(commands.text),
            refuse: if own.refuse.is_empty() {
                commands.refuse
            } else {
                own.refuse
            },
        };
    }
    let mut alarms = Alarms {
        other,
        ..Alarms::default()
    };
    for (code, words) in codes {
        match usize::try_from(code) {
            Ok(at) if at < DENSE => {
                if alarms.dense.len() <= at {
                    alarms.dense.resize(at + 1, None);
                }
                if let Some(place) = alarms.dense.get_mut(at) {
                    *place = Some(words);
                }
            }
            _ => alarms.rare.push((code, words)),
        }
    }
    let mut table = Items::default();
    for (id, same) in items {
        let place = u16::try_from(table.all.len() + 1).unwrap_or(0);
        if let Ok(at) = usize::try_from(id)
            && at < DENSE
        {
            if table.dense.len() <= at {
                table.dense.resize(at + 1, 0);
            }
            if let Some(first) = table.dense.get_mut(at) {
                *first = place;
            }
        } else if table.dense.is_empty() {
            table.dense.push(0);
        }
        for item in same {
            let start = table.rules.len();
            table.rules.extend(item.rules.iter().cloned());
            table.all.push(Item {
                id,
                name: item.name.clone(),
                lengths: item.lengths,
                rules: start..table.rules.len(),
                events: item.rules.iter().any(|rule| rule.event),
                values: item.rules.iter().any(|rule| !rule.event),
            });
        }
    }
    Profile {
        name: draft.name.clone(),
        protocol: Some(protocol),
        title: draft.title.clone(),
        source: draft.source.clone(),
        extends: draft.extends.clone(),
        builtin,
        file: draft.file.clone(),
        alarms,
        items: table,
        commands,
    }
}
