//! The nodes of a server that runs on several machines, as the configuration names them.

use super::ConfigError;
use pychat_proto::{
    Place,
    chat::{NODES_MAX, Note},
};

/// Which node this is, and which there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// Where clients reach this node.
    pub advertise: Option<Place>,
    /// What clients are told, this node among it; absent if they are told nothing.
    pub told: Option<Vec<Place>>,
}

impl NodeSettings {
    /// Brings together what was configured.
    pub(super) fn of(
        advertise: Option<Place>,
        nodes: Option<Vec<Place>>,
    ) -> Result<Self, ConfigError> {
        let told = match (&advertise, nodes) {
            (None, None) => None,
            (None, Some(nodes)) if nodes.is_empty() => Some(nodes),
            (None, Some(_)) => return Err(ConfigError::NodeWithoutName),
            (Some(own), nodes) => {
                let mut told = nodes.unwrap_or_default();
                if !told.contains(own) {
                    told.insert(0, own.clone());
                }
                Some(told)
            }
        };
        if let Some(told) = &told {
            let Note::Nodes { nodes: fitting } = Note::of_nodes(told) else {
                unreachable!("a note of nodes is one")
            };
            if fitting.len() < told.len() {
                return Err(ConfigError::TooManyNodes { told: fitting.len(), named: told.len() });
            }
        }
        Ok(Self { advertise, told })
    }

    /// What a join link can name; nothing without nodes.
    #[must_use]
    pub fn for_link(&self) -> &[Place] {
        let told = self.told.as_deref().unwrap_or_default();
        &told[..told.len().min(pychat_proto::HOSTS_MAX)]
    }
}

const _: () = assert!(NODES_MAX >= pychat_proto::HOSTS_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_configured_is_nothing_told_and_an_empty_list_is_told() {
        assert_eq!(NodeSettings::of(None, None).unwrap(), NodeSettings::default());
        assert_eq!(NodeSettings::of(None, Some(vec![])).unwrap().told, Some(vec![]));
    }

    #[test]
    fn a_node_is_always_among_those_that_are_told() {
        let alone = NodeSettings::of(Some(place("a")), None).unwrap();
        assert_eq!(alone.told, Some(vec![place("a:7420")]));
        let others = vec![place("b"), place("c")];
        let one_more = NodeSettings::of(Some(place("a")), Some(others)).unwrap();
        assert_eq!(one_more.told, Some(vec![place("a"), place("b"), place("c")]));
        let listed = vec![place("b"), place("a")];
        let same = NodeSettings::of(Some(place("a")), Some(listed.clone())).unwrap();
        assert_eq!(same.told, Some(listed));
    }

    #[test]
    fn a_list_without_a_name_of_its_own_is_refused() {
        let error = NodeSettings::of(None, Some(vec![place("a")])).unwrap_err();
        assert!(matches!(error, ConfigError::NodeWithoutName), "{error}");
    }

    #[test]
    fn so_many_nodes_can_be_told_and_no_more() {
        let nodes = |count: usize| (0..count).map(|n| place(&format!("n{n}"))).collect::<Vec<_>>();
        let settings = NodeSettings::of(Some(place("n0")), Some(nodes(NODES_MAX))).unwrap();
        assert_eq!(settings.told.unwrap().len(), NODES_MAX);
        let error = NodeSettings::of(Some(place("n0")), Some(nodes(NODES_MAX + 1))).unwrap_err();
        assert!(matches!(error, ConfigError::TooManyNodes { .. }), "{error}");
        let long = (0..8).map(|n| place(&format!("{}{n}", "h".repeat(200)))).collect();
        assert!(NodeSettings::of(Some(place("n0")), Some(long)).is_err(), "they fit no note");
    }
}
