//! `cargo xtask install`: the programs, their completions and man pages, and the systemd units.

use crate::{
    places::{Audience, Places},
    workspace::{self, Profile},
};
use anyhow::{Context, Result};
use std::{env, path::PathBuf};

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
    places.fill(&workspace::build_programs(Profile::Release)?, &places.programs)?;
    places.list().iter().for_each(|path| println!("installed {}", path.display()));
    print!("{}", next_steps(&places));
    Ok(())
}

/// What a person does now.
fn next_steps(places: &Places) -> String {
    let mut text = String::from("\nnext:\n");
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|directory| directory == places.programs) {
        text += &format!(
            "  export PATH=\"{}:$PATH\"   # in ~/.profile, to keep it\n",
            places.programs.display()
        );
    }
    text += "  pychatctl connect USER \"YOUR NAME\" --server LINK\n";
    text += "\nThe daemon starts when it is needed. To have systemd start it at login:\n";
    text += "  systemctl --user daemon-reload\n  systemctl --user enable --now pychatd\n";
    if places.audience == Audience::Everybody {
        text += "\nTo serve (the log shows the link with which people join):\n";
        text += "  systemctl daemon-reload\n  systemctl enable --now pychat-server\n";
    }
    text
}

fn home() -> Result<PathBuf> {
    env::home_dir().context("there is no home directory; hint: install with --prefix DIR")
}
