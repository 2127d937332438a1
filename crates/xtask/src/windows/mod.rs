//! `cargo xtask windows`: the programs built for Windows, and used under Wine.
//!
//! What is needed comes from Debian ([`debian`]): a compiler that builds std for Windows from its source,
//! MinGW, which links, and Wine. Played are the tests of `pychat-windows`, the real programs' file
//! `five.rs`, which names each exit code once for all systems, and what only the outside can do
//! ([`scenes`]): keys pressed in a console, and Windows' own manager of services.

mod build;
mod debian;
mod scenes;
mod wine;

use crate::workspace;
use anyhow::Result;
use build::Windows;
use std::{path::Path, time::Instant};
use wine::Wine;

/// What `cargo xtask windows` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only build.
    #[arg(long)]
    build: bool,
    /// Run these tests of the real programs in place of `five`, such as `chat` or `five::an_argument`.
    tests: Vec<String>,
}

/// How a person does it.
pub(crate) const ALONE: &str = "cargo xtask windows";

/// Builds the programs and plays everything with them.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    debian::install_missing()?;
    let windows = Windows::below(&workspace::target_directory()?);
    windows.build_programs()?;
    if arguments.build {
        println!("built in {}", windows.programs().display());
        return Ok(());
    }
    let wine = Wine::start(&windows)?;
    if !arguments.tests.is_empty() {
        return windows.test_programs(&wine, &arguments.tests);
    }
    println!("{}", play_all(&windows, &wine)?);
    Ok(())
}

/// Builds and plays everything, and says what and for how long.
pub(crate) fn play(target: &Path) -> Result<String> {
    debian::install_missing()?;
    let begun = Instant::now();
    let windows = Windows::below(target);
    windows.build_programs()?;
    let built = begun.elapsed().as_secs_f64();
    let played = play_all(&windows, &Wine::start(&windows)?)?;
    Ok(format!("built in {built:.0} s; {played}"))
}

fn play_all(windows: &Windows, wine: &Wine) -> Result<String> {
    let begun = Instant::now();
    windows.test_crate(wine)?;
    windows.test_programs(wine, &["five::".to_owned()])?;
    let tested = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    for (name, scene) in scenes::ALL {
        let begun = Instant::now();
        scene(windows, wine).map_err(|error| error.context(format!("not so: {name}")))?;
        println!("{:>5.1} s  {name}", begun.elapsed().as_secs_f64());
    }
    let (scenes, took) = (scenes::ALL.len(), begun.elapsed().as_secs_f64());
    Ok(format!("tests under Wine, {tested:.0} s; {scenes} scenes, {took:.0} s"))
}
