//! TLS 1.3 for the native protocol: the certificate, its renewal without a restart, the handshake.
//!
//! Only TLS 1.3, with aws-lc-rs. No tickets and no session cache: a session that a device resumes would prove nothing new, and would be
//! kept in memory for devices that come once a day. No early data: it can be replayed.
//!
//! How a listener uses it: [`Acceptor::accept`] turns an accepted socket into a stream that a session runs on as on the socket itself
//! (`tokio::io::split` for its two halves), and a [`Binding`] that goes into the device's proof (`codec::native::handshake`).
//!
//! The other side, [`connect`], is for the simulator, tests and measurements.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, pem, pem::PemObject},
    server::NoServerSessionStorage,
    version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// What the channel's value is made for (RFC 8446, 7.5; registered for private use by its prefix).
const EXPORTER: &[u8] = b"EXPORTER-homeward-native-2";

/// A value that both ends of one TLS connection know, and nobody between two connections can make equal.
pub type Binding = [u8; 32];

/// Where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// PEM: the certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// PEM: its private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: cannot read {path:?}: {source}; give the path of a PEM file that this user may read")]
    Read {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is something else.
    #[error("{setting}: {path:?} holds no {what} in PEM: {why}; it begins with -----BEGIN {label}-----")]
    Content {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// How that begins.
        label: &'static str,
        /// Why.
        why: String,
    },
    /// Certificate and key do not go together, or TLS refuses them.
    #[error(
        "gateway.native_tls_certificate {certificate:?} and gateway.native_tls_key {key:?} cannot be used: {source}; \
         the key must be the certificate's own, and the device's certificate come before those of authorities"
    )]
    Pair {
        /// One.
        certificate: PathBuf,
        /// The other.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Why a connection does not come about.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The other side was too slow.
    #[error("handshake not done in time")]
    Slow,
    /// It speaks something else, or does not trust us.
    #[error("handshake failed: {0}")]
    Handshake(io::Error),
}

impl Refused {
    /// The label of the metric, and of the session's end.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Slow => "tls_timeout",
            Self::Handshake(_) => "tls",
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What the files hold, to see whether they have changed.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(&self) -> Result<Contents, TlsError> {
        let read = |setting, path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Read {
                setting,
                path: path.to_owned(),
                source,
            })
        };
        Ok(Contents {
            certificate: read("gateway.native_tls_certificate", &self.certificate)?,
            key: read("gateway.native_tls_key", &self.key)?,
        })
    }

    fn server(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let wrong_certificate = |why: &dyn fmt::Display| TlsError::Content {
            setting: "gateway.native_tls_certificate",
            path: self.certificate.clone(),
            what: "certificate",
            label: "CERTIFICATE",
            why: why.to_string(),
        };
        let chain = CertificateDer::pem_slice_iter(&contents.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| wrong_certificate(&why))?;
        if chain.is_empty() {
            return Err(wrong_certificate(&pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|why| TlsError::Content {
            setting: "gateway.native_tls_key",
            path: self.key.clone(),
            what: "private key",
            label: "PRIVATE KEY",
            why: why.to_string(),
        })?;
        let pair = |source| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(pair)?;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }
}

type Current = Arc<RwLock<Arc<ServerConfig>>>;

/// Takes TLS connections, with the certificate that is in the files now.
pub struct Acceptor {
    current: Current,
    within: Duration,
    _watch: AbortOnDropHandle<()>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Reads the files, and from then on looks whether they have changed; new contents that cannot be used are told and not taken.
    /// `within`: for a handshake.
    pub fn new(files: Files, within: Duration) -> Result<Self, TlsError> {
        Self::looking_every(LOOK, files, within)
    }

    fn looking_every(every: Duration, files: Files, within: Duration) -> Result<Self, TlsError> {
        let contents = files.read()?;
        let current = Arc::new(RwLock::new(Arc::new(files.server(&contents)?)));
        let watch = tokio::spawn(watch(every, files, contents, Arc::clone(&current)));
        Ok(Self {
            current,
            within,
            _watch: AbortOnDropHandle::new(watch),
        })
    }

    /// Does the handshake.
    pub async fn accept(&self, socket: TcpStream) -> Result<(server::TlsStream<TcpStream>, Binding), Refused> {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let stream = tokio::time::timeout(self.within, TlsAcceptor::from(config).accept(socket))
            .await
            .map_err(|_| Refused::Slow)?
            .map_err(Refused::Handshake)?;
        let binding = stream
            .get_ref()
            .1
            .export_keying_material(Binding::default(), EXPORTER, None);
        let binding = binding.map_err(|error| Refused::Handshake(io::Error::other(error)))?;
        Ok((stream, binding))
    }
}

async fn watch(every: Duration, files: Files, mut before: Contents, current: Current) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(every).await;
        let (again, files_again) = (files.clone(), files.clone());
        // Short reads of two small files; still none of a worker's business.
        let Ok(found) = tokio::task::spawn_blocking(move || again.read()).await else {
            continue;
        };
        let loaded = match found {
            Ok(found) if found == before => {
                told.clear();
                continue;
            }
            Ok(found) => files_again.server(&found).map(|config| (found, config)),
            Err(error) => Err(error),
        };
        match loaded {
            Ok((found, config)) => {
                before = found;
                *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                metrics::counter!("homeward_gateway_certificate_loads_total", "outcome" => "taken").increment(1);
                info!("the certificate of the native protocol was renewed");
                told.clear();
            }
            // Half of a pair, while somebody is writing the other.
            Err(error) => {
                let text = error.to_string();
                if told != text {
                    metrics::counter!("homeward_gateway_certificate_loads_total", "outcome" => "refused").increment(1);
                    warn!(%error, "the certificate in the files cannot be used; going on with the one before");
                    told = text;
                }
            }
        }
    }
}

/// Why a device's side does not get a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// What it is to trust cannot be read.
    #[error("no certificate to trust in PEM: {0}")]
    Trust(pem::Error),
    /// TLS refuses what it is to trust.
    #[error("cannot trust the certificate: {0}")]
    Certificate(#[from] rustls::Error),
    /// No name.
    #[error("{0}")]
    Name(#[from] InvalidDnsNameError),
    /// The network, or the other side.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A device's side, as the simulator, benches and tests play it: whom it trusts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The certificates or authorities in `pem`, and no others.
    pub fn new(pem: &[u8]) -> Result<Self, ConnectError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(ConnectError::Trust)?)?;
        }
        if roots.is_empty() {
            return Err(ConnectError::Trust(pem::Error::NoItemsFound));
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Begins to speak TLS over a connection with somebody who proves that name.
    pub async fn connect(
        &self,
        socket: TcpStream,
        name: &str,
    ) -> Result<(client::TlsStream<TcpStream>, Binding), ConnectError> {
        let name = ServerName::try_from(name.to_owned())?;
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(name, socket).await?;
        let binding = stream
            .get_ref()
            .1
            .export_keying_material(Binding::default(), EXPORTER, None)?;
        Ok((stream, binding))
    }
}

/// Connects, and trusts the certificates or authorities in `pem` and no others.
pub async fn connect(
    address: SocketAddr,
    name: &str,
    pem: &[u8],
) -> Result<(client::TlsStream<TcpStream>, Binding), ConnectError> {
    let trust = Trust::new(pem)?;
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    trust.connect(socket, name).await
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn write(files: &Files) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        made.cert.pem().into_bytes()
    }

    fn files(folder: &Path) -> Files {
        Files {
            certificate: folder.join("gateway.pem"),
            key: folder.join("gateway.key"),
        }
    }

    async fn serve(acceptor: Acceptor) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                if let Ok((mut stream, binding)) = acceptor.accept(socket).await {
                    // Gone already, where only the handshake was tried.
                    let _ = stream.write_all(&binding).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn both_ends_know_the_same_value_and_each_connection_another() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let pem = write(&files);
        let address = serve(Acceptor::new(files, SECOND).unwrap()).await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let (mut stream, binding) = connect(address, "gateway.test", &pem).await.unwrap();
            let mut told = Vec::new();
            stream.read_to_end(&mut told).await.unwrap();
            assert_eq!(told, binding);
            seen.push(told);
        }
        assert_ne!(seen[0], seen[1]);
        // A device does not speak to a stranger.
        let other = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
        assert!(
            connect(address, "gateway.test", other.cert.pem().as_bytes())
                .await
                .is_err()
        );
        assert!(connect(address, "other.test", &pem).await.is_err());
    }

    #[tokio::test]
    async fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let old = write(&files);
        let acceptor = Acceptor::looking_every(Duration::from_millis(20), files.clone(), SECOND).unwrap();
        let address = serve(acceptor).await;
        std::fs::write(&files.certificate, "half of").unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        connect(address, "gateway.test", &old)
            .await
            .expect("goes on with the one before");
        let new = write(&files);
        let mut tries = 0;
        while connect(address, "gateway.test", &new).await.is_err() {
            tries += 1;
            assert!(tries < 100, "not taken");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(connect(address, "gateway.test", &old).await.is_err());
    }

    #[tokio::test]
    async fn mistakes_name_file_and_cure() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let told = |files: &Files| Acceptor::new(files.clone(), SECOND).unwrap_err().to_string();
        let text = told(&files);
        assert!(
            text.contains("native_tls_certificate") && text.contains("gateway.pem"),
            "{text}"
        );
        write(&files);
        let other = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
        std::fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
        let text = told(&files);
        assert!(text.contains("gateway.key") && text.contains("own"), "{text}");
        std::fs::write(&files.key, "no key").unwrap();
        let text = told(&files);
        assert!(
            text.contains("native_tls_key") && text.contains("BEGIN PRIVATE KEY"),
            "{text}"
        );
        std::fs::write(&files.certificate, "").unwrap();
        let text = told(&files);
        assert!(text.contains("BEGIN CERTIFICATE"), "{text}");
    }

    #[tokio::test]
    async fn who_says_nothing_or_something_else_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        write(&files);
        let acceptor = Acceptor::new(files, Duration::from_millis(200)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _silent = TcpStream::connect(address).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        assert!(matches!(acceptor.accept(socket).await, Err(Refused::Slow)));
        let mut plain = TcpStream::connect(address).await.unwrap();
        let hello = codec::native::client::hello("HW-1", [7; 16], "test");
        plain.write_all(&hello).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let error = acceptor.accept(socket).await.unwrap_err();
        assert_eq!(error.reason(), "tls");
    }
}
