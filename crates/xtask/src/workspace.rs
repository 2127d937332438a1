//! Where the workspace is, and how to call cargo in it.

use anyhow::{Context, Result, bail};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The three programs, as packages and as files.
pub(crate) const PROGRAMS: [&str; 3] = ["pychatctl", "pychatd", "pychat-server"];

/// The workspace's root directory: as cargo says now, since a checkout may have been moved after
/// xtask was built.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&here).ancestors().nth(2);
    root.expect("xtask lies two directories below the root").to_owned()
}

/// Where cargo builds to, as `CARGO_TARGET_DIR` and cargo's configuration have it.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1", "--no-deps"]);
    let output = command.output().context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("reading what cargo metadata says")?;
    let directory =
        metadata["target_directory"].as_str().context("cargo names no target directory")?;
    Ok(directory.into())
}

/// How programs are built.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// As they are released: small and fast, after minutes of linking.
    Release,
    /// As tests use them.
    Dev,
}

impl Profile {
    /// As cargo calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "dev",
        }
    }

    /// Where cargo puts what it builds with it, below the target directory.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "debug",
        }
    }
}

/// Builds the three programs, and says where they are.
pub(crate) fn build_programs(profile: Profile) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--locked", "--profile", profile.name()]);
    PROGRAMS.iter().for_each(|program| {
        command.args(["--package", program]);
    });
    run(&mut command)?;
    Ok(target_directory()?.join(profile.directory()))
}

/// Cargo, in the workspace's root.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program, in the workspace's root, without what `cargo run` told xtask about xtask: build
/// scripts that watch those variables would run again, and differently, under xtask.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name == "OUT_DIR"
        });
        if told {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it to its end; anything but success is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy()));
    words.join(" ")
}

/// The first directory of `PATH` that holds `program`, with it.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Whether the operating system lets us do everything.
pub(crate) fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("asking who runs this")?;
    Ok(output.stdout.trim_ascii() == b"0")
}
