//! Words for the tests of signatures: who says what on which port.

use super::{Answer, Opening, Protocol, Strength, Told, Transport, tell};

/// An opening that owns its bytes.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) transport: Transport,
    pub(super) server_port: u16,
    pub(super) client: Vec<u8>,
    pub(super) server: Vec<u8>,
    pub(super) cut: bool,
    pub(super) ended: bool,
}

/// A TCP flow to this port on which nothing was said yet.
pub(super) fn tcp(server_port: u16) -> Said {
    Said { transport: Transport::Tcp, server_port, client: vec![], server: vec![], cut: false, ended: false }
}

/// A UDP flow to this port.
pub(super) fn udp(server_port: u16) -> Said {
    Said { transport: Transport::Udp, ..tcp(server_port) }
}

impl Said {
    pub(super) fn client(self, bytes: impl AsRef<[u8]>) -> Said {
        Said { client: [&self.client, bytes.as_ref()].concat(), ..self }
    }

    pub(super) fn server(self, bytes: impl AsRef<[u8]>) -> Said {
        Said { server: [&self.server, bytes.as_ref()].concat(), ..self }
    }

    /// The capture was cut.
    pub(super) fn cut(self) -> Said {
        Said { cut: true, ..self }
    }

    /// Nothing more will come.
    pub(super) fn ended(self) -> Said {
        Said { ended: true, ..self }
    }

    pub(super) fn answer(&self) -> Answer {
        tell(&Opening {
            transport: self.transport,
            server_port: self.server_port,
            client: &self.client,
            server: &self.server,
            cut: self.cut,
            ended: self.ended,
        })
    }

    /// All that was told; `None` if nothing was or more is wanted.
    pub(super) fn all_told(&self) -> Option<Told> {
        match self.answer() {
            Answer::Told(told) => Some(told),
            Answer::More | Answer::Nothing => None,
        }
    }

    /// The protocol and strength that were told.
    pub(super) fn told(&self) -> Option<(Protocol, Strength)> {
        self.all_told().map(|told| (told.protocol, told.strength))
    }

    /// The server name that was told.
    pub(super) fn name(&self) -> Option<String> {
        self.all_told()?.server_name.map(String::from)
    }

    pub(super) fn hints_at_citrix(&self) -> bool {
        self.all_told().is_some_and(|told| told.citrix_hint)
    }

    /// Asserts that each of these bytes of the client matters: with one of them inverted it is no longer the same
    /// protocol.
    pub(super) fn hangs_on(self, places: impl IntoIterator<Item = usize>) {
        let said = self.ended();
        let protocol = said.told().expect("a sample is told").0;
        for at in places {
            let mut other = said.clone();
            other.client[at] = !other.client[at];
            assert_ne!(other.told().map(|(told, _)| told), Some(protocol), "byte {at} does not matter");
        }
    }

    pub(super) fn wants_more(&self) -> bool {
        self.answer() == Answer::More
    }

    pub(super) fn tells_nothing(&self) -> bool {
        self.answer() == Answer::Nothing
    }
}
