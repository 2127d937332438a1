//! What depends on what, as `cargo metadata` tells it.

use cargo_metadata::{DependencyKind, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Crates and their dependencies for building and running, not for testing. Versions of one crate
/// are one crate here.
#[derive(Default)]
pub(crate) struct Graph {
    ours: BTreeSet<String>,
    needs: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// The workspace that this test belongs to, all features on.
    pub(crate) fn of_this_workspace() -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
            .features(cargo_metadata::CargoOpt::AllFeatures)
            .exec()
            .expect("cargo metadata runs");
        let names: BTreeMap<&PackageId, &str> =
            metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
        let mut graph = Self::default();
        for member in &metadata.workspace_members {
            graph.add_ours(names[member]);
        }
        for node in metadata.resolve.expect("metadata with dependencies has a graph").nodes {
            for dependency in &node.deps {
                let kept = |kind: DependencyKind| kind != DependencyKind::Development;
                if dependency.dep_kinds.iter().any(|needed| kept(needed.kind)) {
                    graph.add_need(names[&node.id], names[&dependency.pkg]);
                }
            }
        }
        graph
    }

    /// A crate of the workspace.
    pub(crate) fn add_ours(&mut self, name: &str) {
        self.ours.insert(name.to_owned());
    }

    /// `from` needs `to`.
    pub(crate) fn add_need(&mut self, from: &str, to: &str) {
        self.needs.entry(from.to_owned()).or_default().insert(to.to_owned());
    }

    /// The workspace's crates.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &str> {
        self.ours.iter().map(String::as_str)
    }

    /// What `name` itself asks for.
    pub(crate) fn needs_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.needs.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether `name` asks for a crate of the workspace called `other`, or is followed to it
    /// through others' crates as well.
    pub(crate) fn reaches(&self, name: &str, other: &str) -> bool {
        self.closure(name, |_| true).contains(other)
    }

    /// Whether `name` itself, or a crate of the workspace on which it rests, asks for `other`.
    pub(crate) fn reaches_through_ours(&self, name: &str, other: &str) -> bool {
        self.closure(name, |needed| self.ours.contains(needed)).contains(other)
    }

    /// All that `name` rests on, going on from a crate only where `through` says so.
    fn closure(&self, name: &str, through: impl Fn(&str) -> bool) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open: VecDeque<&str> = self.needs_of(name).collect();
        while let Some(needed) = open.pop_front() {
            if found.insert(needed) && through(needed) {
                open.extend(self.needs_of(needed));
            }
        }
        found
    }
}
