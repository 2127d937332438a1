//! Where each file of PyChat goes below a prefix, and putting it there: for `install`, and for what
//! `dist` packs.

use crate::workspace::{self, PROGRAMS};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where a distribution puts programs, as the units have it.
pub(crate) const DISTRIBUTED: &str = "/usr/bin";

/// Whose units are installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// One person: the daemon's.
    User,
    /// Everybody on the machine: the server's, too.
    Everybody,
}

/// Where each thing goes.
pub(crate) struct Places {
    pub(crate) programs: PathBuf,
    /// By program and shell, as the program's `completions` knows it.
    completions: Vec<(&'static str, &'static str, PathBuf)>,
    pub(crate) manual: PathBuf,
    /// Units and what belongs to them, by name in `systemd/`.
    units: Vec<(&'static str, PathBuf)>,
    /// The server's configuration with all defaults.
    configuration: Option<PathBuf>,
    pub(crate) audience: Audience,
}

impl Places {
    /// `~/.local`, and the user's own units.
    pub(crate) fn for_user(home: &Path, configuration: Option<PathBuf>) -> Self {
        let units = configuration.unwrap_or_else(|| home.join(".config")).join("systemd/user");
        let unit = |name: &'static str| (name, units.join(name));
        let units = vec![unit("pychatd.service"), unit("pychatd@.service")];
        Self::below(&home.join(".local"), units, Audience::User)
    }

    /// A prefix such as `/usr/local`, with the server's units and what its configuration starts from.
    pub(crate) fn for_everybody(prefix: &Path) -> Self {
        let unit = |kind: &str, name: &'static str| {
            (name, prefix.join("lib/systemd").join(kind).join(name))
        };
        let share = prefix.join("share/pychat-server");
        let units = vec![
            unit("user", "pychatd.service"),
            unit("user", "pychatd@.service"),
            unit("system", "pychat-server.service"),
            unit("system", "pychat-server.socket"),
            ("pychat-server-no-network.conf", share.join("no-network.conf")),
            ("pychat-server.environment", share.join("environment")),
        ];
        let mut places = Self::below(prefix, units, Audience::Everybody);
        places.completions.extend(completions(SERVER, &prefix.join("share")));
        places.configuration = Some(share.join("config.toml"));
        places
    }

    fn below(prefix: &Path, units: Vec<(&'static str, PathBuf)>, audience: Audience) -> Self {
        let share = prefix.join("share");
        Self {
            programs: prefix.join("bin"),
            completions: completions(CLIENT, &share).into(),
            manual: share.join("man/man1"),
            units,
            configuration: None,
            audience,
        }
    }

    /// All that [`Places::fill`] puts in place.
    pub(crate) fn list(&self) -> Vec<PathBuf> {
        let programs = PROGRAMS.iter().map(|program| self.programs.join(program));
        let completions = self.completions.iter().map(|(_, _, file)| file.clone());
        let manual = self.documented().map(|program| self.manual.join(format!("{program}*.1")));
        let units = self.units.iter().map(|(_, file)| file.clone());
        let configuration = self.configuration.iter().cloned();
        programs.chain(completions).chain(manual).chain(units).chain(configuration).collect()
    }

    /// Whose manual pages are put in place.
    fn documented(&self) -> impl Iterator<Item = &'static str> {
        let all = [CLIENT, SERVER].into_iter();
        all.filter(|program| *program == CLIENT || self.audience == Audience::Everybody)
    }

    /// Puts everything in place, with the programs that were built into `built`. Units name the
    /// programs in `run_from`.
    pub(crate) fn fill(&self, built: &Path, run_from: &Path) -> Result<()> {
        for program in PROGRAMS {
            put(&self.programs.join(program), &read(&built.join(program))?, Mode::Program)?;
        }
        for (program, shell, file) in &self.completions {
            let mut program = Command::new(self.programs.join(program));
            put(file, &said(program.args(["completions", shell]))?, Mode::Text)?;
        }
        for program in self.documented() {
            install_manual(&self.programs.join(program), &self.manual)?;
        }
        for (unit, file) in &self.units {
            let text = fs::read_to_string(workspace::root().join("systemd").join(unit))
                .with_context(|| format!("reading systemd/{unit}"))?;
            put(file, with_programs_in(&text, run_from).as_bytes(), Mode::Text)?;
        }
        if let Some(file) = &self.configuration {
            let mut server = Command::new(self.programs.join("pychat-server"));
            put(file, &said(server.args(["config", "default"]))?, Mode::Text)?;
        }
        Ok(())
    }
}

/// One page for each command, as the program writes them.
fn install_manual(program: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    workspace::run(Command::new(program).arg("man").arg(to))
}

/// Programs that have manual pages and completions.
const CLIENT: &str = "pychatctl";
const SERVER: &str = "pychat-server";

/// Where a program's completions go.
fn completions(program: &'static str, share: &Path) -> [(&'static str, &'static str, PathBuf); 3] {
    [
        (program, "bash", share.join("bash-completion/completions").join(program)),
        (program, "zsh", share.join("zsh/site-functions").join(format!("_{program}"))),
        (program, "fish", share.join("fish/vendor_completions.d").join(format!("{program}.fish"))),
    ]
}

/// Units name the programs where a distribution puts them; here they may be elsewhere.
fn with_programs_in(unit: &str, directory: &Path) -> String {
    unit.replace(&format!("{DISTRIBUTED}/"), &format!("{}/", directory.display()))
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// What a command prints.
pub(crate) fn said(command: &mut Command) -> Result<Vec<u8>> {
    let line = workspace::line(command);
    let output = command.output().with_context(|| format!("starting {line}"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// What may be done with a file.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Program,
    Text,
}

/// Puts a file in place in one step, so that a program that runs from there is not disturbed.
pub(crate) fn put(file: &Path, content: &[u8], mode: Mode) -> Result<()> {
    let directory = file.parent().context("a file to install lies in a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let mut name = file.file_name().context("a file to install has a name")?.to_owned();
    name.push(".new");
    let new = directory.join(name);
    fs::write(&new, content).with_context(|| format!("writing {}", new.display()))?;
    set_mode(&new, mode)?;
    fs::rename(&new, file).with_context(|| format!("putting {} in place", file.display()))?;
    Ok(())
}

#[cfg(unix)]
fn set_mode(file: &Path, mode: Mode) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let bits = match mode {
        Mode::Program => 0o755,
        Mode::Text => 0o644,
    };
    fs::set_permissions(file, fs::Permissions::from_mode(bits))
        .with_context(|| format!("setting the mode of {}", file.display()))
}

#[cfg(not(unix))]
fn set_mode(_file: &Path, _mode: Mode) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Mode, Places, put, with_programs_in};
    use std::path::{Path, PathBuf};

    #[test]
    fn a_user_gets_all_below_the_home_directory_and_nothing_of_the_servers() {
        let places = Places::for_user(Path::new("/home/ann"), None);
        let list = places.list();
        assert!(list.iter().all(|path| path.starts_with("/home/ann")), "{list:?}");
        assert!(list.contains(&PathBuf::from("/home/ann/.local/bin/pychatd")));
        assert!(list.contains(&PathBuf::from("/home/ann/.config/systemd/user/pychatd.service")));
        let of_the_server = |path: &&PathBuf| path.to_string_lossy().contains("pychat-server");
        let found: Vec<_> = list.iter().filter(of_the_server).collect();
        assert_eq!(found, [Path::new("/home/ann/.local/bin/pychat-server")]);
        assert!(!list.iter().any(|path| path.ends_with("config.toml")), "{list:?}");
    }

    #[test]
    fn the_users_configuration_directory_is_respected() {
        let places = Places::for_user(Path::new("/home/ann"), Some("/cfg".into()));
        assert!(places.list().contains(&PathBuf::from("/cfg/systemd/user/pychatd.service")));
    }

    #[test]
    fn a_prefix_gets_everything_below_itself() {
        let list = Places::for_everybody(Path::new("/opt/pychat")).list();
        assert!(list.iter().all(|path| path.starts_with("/opt/pychat")), "{list:?}");
        for file in ["system/pychat-server.service", "system/pychat-server.socket"] {
            assert!(list.contains(&Path::new("/opt/pychat/lib/systemd").join(file)), "{file}");
        }
        for file in [
            "pychat-server/config.toml",
            "man/man1/pychat-server*.1",
            "bash-completion/completions/pychat-server",
            "zsh/site-functions/_pychat-server",
            "fish/vendor_completions.d/pychat-server.fish",
        ] {
            assert!(list.contains(&Path::new("/opt/pychat/share").join(file)), "{file}");
        }
    }

    #[test]
    fn units_name_the_programs_where_they_are() {
        let unit = "ExecStart=/usr/bin/pychatd --foreground\n";
        let expected = "ExecStart=/home/ann/.local/bin/pychatd --foreground\n";
        assert_eq!(with_programs_in(unit, Path::new("/home/ann/.local/bin")), expected);
    }

    #[test]
    fn a_file_is_replaced_in_one_step() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("deep/program");
        put(&file, b"old", Mode::Program).unwrap();
        let held = std::fs::File::open(&file).unwrap();
        put(&file, b"new", Mode::Program).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        let old = std::io::read_to_string(held).unwrap();
        assert_eq!(old, "old", "a program that runs keeps its file");
    }
}
