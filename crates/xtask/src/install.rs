//! `cargo xtask install`: the programs, their completions and man pages, and the systemd units.

use crate::workspace::{self, PROGRAMS};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What `cargo xtask install` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Install below DIR, as for everybody: /usr/local, or a directory to package.
    #[arg(long, value_name = "DIR", conflicts_with = "user")]
    prefix: Option<PathBuf>,
    /// Install for this user, below ~/.local (the default).
    #[arg(long)]
    user: bool,
    /// Only say what would be put where.
    #[arg(long)]
    dry_run: bool,
}

/// Builds, installs and says what to do next.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let places = match &arguments.prefix {
        Some(prefix) => Places::for_everybody(&std::path::absolute(prefix)?),
        None => Places::for_user(&home()?, env::var_os("XDG_CONFIG_HOME").map(PathBuf::from)),
    };
    if arguments.dry_run {
        places.list().iter().for_each(|path| println!("would install {}", path.display()));
        return Ok(());
    }
    let built = build()?;
    for program in PROGRAMS {
        put(&places.programs.join(program), &read(&built.join(program))?, Mode::Program)?;
    }
    let pychatctl = places.programs.join("pychatctl");
    for (shell, file) in &places.completions {
        put(file, &said(Command::new(&pychatctl).args(["completions", shell]))?, Mode::Text)?;
    }
    install_manual(&pychatctl, &places.manual)?;
    for (unit, file) in &places.units {
        let text = fs::read_to_string(workspace::root().join("systemd").join(unit))
            .with_context(|| format!("reading the unit {unit}"))?;
        put(file, with_programs_in(&text, &places.programs).as_bytes(), Mode::Text)?;
    }
    print!("{}", places.next_steps());
    Ok(())
}

/// Where each thing goes.
struct Places {
    programs: PathBuf,
    /// By shell, as `pychatctl completions` knows it.
    completions: [(&'static str, PathBuf); 3],
    manual: PathBuf,
    /// By name in `systemd/`.
    units: Vec<(&'static str, PathBuf)>,
}

impl Places {
    /// `~/.local`, and the user's own units.
    fn for_user(home: &Path, configuration: Option<PathBuf>) -> Self {
        let units = configuration.unwrap_or_else(|| home.join(".config")).join("systemd/user");
        let unit = |name: &'static str| (name, units.join(name));
        let units = vec![unit("pychatd.service"), unit("pychatd@.service")];
        Self::below(&home.join(".local"), units)
    }

    /// A prefix such as `/usr/local`, with the server's unit too.
    fn for_everybody(prefix: &Path) -> Self {
        let unit = |kind: &str, name: &'static str| {
            (name, prefix.join("lib/systemd").join(kind).join(name))
        };
        let units = vec![
            unit("user", "pychatd.service"),
            unit("user", "pychatd@.service"),
            unit("system", "pychat-server.service"),
        ];
        Self::below(prefix, units)
    }

    fn below(prefix: &Path, units: Vec<(&'static str, PathBuf)>) -> Self {
        let share = prefix.join("share");
        Self {
            programs: prefix.join("bin"),
            completions: [
                ("bash", share.join("bash-completion/completions/pychatctl")),
                ("zsh", share.join("zsh/site-functions/_pychatctl")),
                ("fish", share.join("fish/vendor_completions.d/pychatctl.fish")),
            ],
            manual: share.join("man/man1"),
            units,
        }
    }

    fn list(&self) -> Vec<PathBuf> {
        let programs = PROGRAMS.iter().map(|program| self.programs.join(program));
        let completions = self.completions.iter().map(|(_, file)| file.clone());
        let manual = std::iter::once(self.manual.join("pychatctl*.1"));
        let units = self.units.iter().map(|(_, file)| file.clone());
        programs.chain(completions).chain(manual).chain(units).collect()
    }

    /// What a person does now.
    fn next_steps(&self) -> String {
        let mut text = String::from("\nnext:\n");
        let path = env::var_os("PATH").unwrap_or_default();
        if !env::split_paths(&path).any(|directory| directory == self.programs) {
            text += &format!(
                "  export PATH=\"{}:$PATH\"   # in ~/.profile, to keep it\n",
                self.programs.display()
            );
        }
        text += "  pychatctl connect USER \"YOUR NAME\" --server LINK\n";
        text += "\nThe daemon starts when it is needed. To have systemd start it at login:\n";
        text += "  systemctl --user daemon-reload\n  systemctl --user enable --now pychatd\n";
        if self.units.iter().any(|(name, _)| *name == "pychat-server.service") {
            text += "\nTo serve (the log shows the link with which people join):\n";
            text += "  systemctl daemon-reload\n  systemctl enable --now pychat-server\n";
        }
        text
    }
}

fn home() -> Result<PathBuf> {
    env::home_dir().context("there is no home directory; hint: install with --prefix DIR")
}

/// Builds the programs as they are released, and says where they are.
fn build() -> Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["build", "--locked", "--release"]);
    PROGRAMS.iter().for_each(|program| {
        command.args(["--package", program]);
    });
    workspace::run(&mut command)?;
    Ok(workspace::target_directory()?.join("release"))
}

/// One page for each command, as pychatctl writes them.
fn install_manual(pychatctl: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    workspace::run(Command::new(pychatctl).arg("man").arg(to))?;
    println!("installed {}", to.join("pychatctl*.1").display());
    Ok(())
}

/// Units name the programs where a distribution puts them; here they are elsewhere.
fn with_programs_in(unit: &str, directory: &Path) -> String {
    unit.replace("/usr/bin/", &format!("{}/", directory.display()))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// What a command prints.
fn said(command: &mut Command) -> Result<Vec<u8>> {
    let line = workspace::line(command);
    let output = command.output().with_context(|| format!("starting {line}"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

#[derive(Clone, Copy)]
enum Mode {
    Program,
    Text,
}

/// Puts a file in place in one step, so that a program that runs from there is not disturbed.
fn put(file: &Path, content: &[u8], mode: Mode) -> Result<()> {
    let directory = file.parent().context("a file to install lies in a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let mut name = file.file_name().context("a file to install has a name")?.to_owned();
    name.push(".new");
    let new = directory.join(name);
    fs::write(&new, content).with_context(|| format!("writing {}", new.display()))?;
    set_mode(&new, mode)?;
    fs::rename(&new, file).with_context(|| format!("putting {} in place", file.display()))?;
    println!("installed {}", file.display());
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
    fn a_user_gets_all_below_the_home_directory_and_no_server_unit() {
        let places = Places::for_user(Path::new("/home/ann"), None);
        let list = places.list();
        assert!(list.iter().all(|path| path.starts_with("/home/ann")), "{list:?}");
        assert!(list.contains(&PathBuf::from("/home/ann/.local/bin/pychatd")));
        assert!(list.contains(&PathBuf::from("/home/ann/.config/systemd/user/pychatd.service")));
        assert!(!list.iter().any(|path| path.ends_with("pychat-server.service")), "{list:?}");
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
        assert!(list.iter().any(|path| path.ends_with("lib/systemd/system/pychat-server.service")));
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
