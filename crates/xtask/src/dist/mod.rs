//! `cargo xtask dist`: the packages of a release, in `target/dist`.
//!
//! The programs and what belongs to them are laid out once, in `target/PROFILE/package`, as below a
//! prefix. Every package is made of that: the Debian and RPM ones by tools that read the metadata in
//! the crates' `Cargo.toml`, the archive as it is.

mod archive;

use crate::{
    places::{self, DISTRIBUTED, Places},
    tools,
    workspace::{self, PROGRAMS, Profile},
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What `cargo xtask dist` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How the programs are built: `dev` is quick, for trying the packages.
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
}

/// The crates whose `Cargo.toml` describes packages: of the server, and of a person's programs.
const PACKAGES: [&str; 2] = ["pychat-server", "pychatctl"];

/// Where the packages are made, below the target directory.
const PLACE: &str = "dist";

/// What is in `target/dist`.
pub(crate) struct Packages {
    directory: PathBuf,
    /// Why there are no RPM packages, if there are none.
    pub(crate) without_rpm: Option<String>,
}

/// Builds the programs and all packages.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let built = workspace::build_programs(arguments.profile)?;
    let target = workspace::target_directory()?;
    let packages = pack(&target, &built, arguments.profile)?;
    if let Some(why) = &packages.without_rpm {
        println!("no .rpm: {why}");
    }
    print!("{}", fs::read_to_string(packages.directory.join(SUMS)).context("reading the sums")?);
    println!("in {}", packages.directory.display());
    Ok(())
}

impl Packages {
    /// Those that an earlier run has made.
    pub(crate) fn packed(target: &Path) -> Self {
        Self { directory: target.join(PLACE), without_rpm: None }
    }

    /// Where they all are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// How many files, for people.
    pub(crate) fn count(&self) -> Result<usize> {
        Ok(files(&self.directory)?.len())
    }
}

/// Makes all packages of programs that were built into `built`.
pub(crate) fn pack(target: &Path, built: &Path, profile: Profile) -> Result<Packages> {
    let layout = built.join("package");
    lay_out(&layout, built)?;
    let directory = target.join(PLACE);
    // Nothing of another version is to be summed up, or taken for this one.
    remove(&directory)?;
    fs::create_dir_all(&directory).context("making target/dist")?;
    let packed_at = committed_at()?;
    let deb = tools::DEB.find_or_install(target)?;
    for member in PACKAGES {
        debian(&deb, member, &directory, profile, packed_at)?;
    }
    let without_rpm = match tools::RPM.find_or_install(target) {
        Ok(tool) => {
            PACKAGES
                .iter()
                .try_for_each(|member| rpm(&tool, member, &directory, profile, packed_at))?;
            None
        }
        Err(error) => Some(format!("{error:#}")),
    };
    archive::make(&layout, &directory, packed_at)?;
    sum(&directory)?;
    Ok(Packages { directory, without_rpm })
}

/// All files as below a prefix, made anew.
fn lay_out(layout: &Path, built: &Path) -> Result<()> {
    remove(layout)?;
    let places = Places::for_everybody(layout);
    places.fill(built, Path::new(DISTRIBUTED))?;
    for program in PROGRAMS {
        // A release is built without; what tests are built with is ten times as large as the rest.
        let program = places.programs.join(program);
        workspace::run(Command::new("strip").arg("--strip-debug").arg(&program))?;
    }
    // As Debian's policy has it; every `man` reads them.
    let pages = files(&places.manual)?;
    let mut gzip = Command::new("gzip");
    workspace::run(gzip.current_dir(&places.manual).args(["--best", "--no-name"]).args(pages))
}

/// The variable by which tools that pack are told the time (reproducible-builds.org).
const EPOCH: &str = "SOURCE_DATE_EPOCH";

fn debian(tool: &Path, member: &str, to: &Path, profile: Profile, packed_at: u64) -> Result<()> {
    let mut command = workspace::command(tool);
    command.args(["deb", "--quiet", "--locked", "--no-build", "--no-strip", "--package", member]);
    command.args(["--profile", profile.name(), "--output"]).arg(to);
    command.env(EPOCH, packed_at.to_string());
    if profile == Profile::Dev {
        command.arg("--fast");
    }
    workspace::run(&mut command)
}

fn rpm(tool: &Path, member: &str, to: &Path, profile: Profile, packed_at: u64) -> Result<()> {
    let mut command = workspace::command(tool);
    command.args(["generate-rpm", "--package", member, "--profile", profile.name()]);
    command.arg("--target-dir").arg(workspace::target_directory()?).arg("--output").arg(to);
    command.env(EPOCH, packed_at.to_string());
    if profile == Profile::Dev {
        command.args(["--payload-compress", "none"]);
    }
    workspace::run(&mut command)
}

/// What packages have for the time when they were made: when what is packed was committed, in seconds
/// since 1970; outside of a repository, 1970. So the same files make the same packages.
fn committed_at() -> Result<u64> {
    let mut git = workspace::command("git");
    let Ok(said) = places::said(git.args(["log", "-1", "--format=%ct"])) else { return Ok(0) };
    String::from_utf8_lossy(&said).trim().parse().context("reading git's time of the last commit")
}

/// What `sha256sum --check` reads.
const SUMS: &str = "SHA256SUMS";

fn sum(directory: &Path) -> Result<()> {
    let mut command = Command::new("sha256sum");
    command.current_dir(directory).args(files(directory)?);
    fs::write(directory.join(SUMS), places::said(&mut command)?).context("writing the sums")
}

/// The names of the files in a directory, sorted.
fn files(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in
        fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))?
    {
        let name = entry.with_context(|| format!("listing {}", directory.display()))?.file_name();
        names.push(name.into_string().map_err(|name| anyhow::anyhow!("odd name {name:?}"))?);
    }
    names.sort();
    Ok(names)
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            bail!("removing {}: {error}", directory.display())
        }
        _ => Ok(()),
    }
}
