//! A gate before a server: open, it forwards; closed, nobody listens there and every connection is cut.

use std::{net::SocketAddr, sync::Mutex};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::{JoinHandle, JoinSet},
};

pub struct Gate {
    address: SocketAddr,
    server: SocketAddr,
    runtime: Handle,
    open: Mutex<Option<JoinHandle<()>>>,
}

impl Gate {
    /// An open gate. It stands at an address where nothing else of the tests listens, so that its port stays its own
    /// while it is closed.
    pub fn before(server: SocketAddr, runtime: Handle) -> Gate {
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.2", 0))).unwrap();
        let gate = Gate {
            address: listener.local_addr().unwrap(),
            server,
            runtime,
            open: Mutex::default(),
        };
        gate.forward(listener);
        gate
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn close(&self) {
        if let Some(forwarding) = self.open.lock().unwrap().take() {
            forwarding.abort();
            // The port is free when the task is gone.
            let _ = self.runtime.block_on(forwarding);
        }
    }

    pub fn open(&self) {
        self.forward(self.runtime.block_on(TcpListener::bind(self.address)).unwrap());
    }

    fn forward(&self, listener: TcpListener) {
        let server = self.server;
        let forwarding = self.runtime.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                lines.spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        *self.open.lock().unwrap() = Some(forwarding);
    }
}
