//! The other side of a session: what is sent to it, what is under way for it, which device it is.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use codec::{Fault, Message, Protocol, Report};
use futures::{FutureExt, future::BoxFuture, stream::FuturesOrdered};
use jiff::Timestamp;
use proto::DeviceId;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Shared, Stop};
use crate::{
    Known,
    clone::{Rule, Said, Voice},
    commands::{Order, Orders, Reference},
    lanes::{Batch, Busy, Lanes},
    limits::Place,
    quarantine::Quarantine,
    records, tls,
};

/// Why names that anybody can invent are refused; for other reasons there are only as many as devices.
const OF_STRANGERS: [&str; 2] = ["unknown device", "unsupported version"];

/// Where a session's bytes go: a socket, or TLS over one.
pub(crate) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Bytes of backlog that a session may have under way; more than the window, so that a live report behind a night of stored
/// ones is read.
const BACKLOG_BYTES: usize = 256 * 1024;

/// Appends under way, answered in the order in which their frames came.
#[derive(Default)]
pub(crate) struct UnderWay {
    futures: FuturesOrdered<BoxFuture<'static, Result<Bytes, Stop>>>,
    /// Of each, in the order of `futures`: bytes of backlog, 0 for live ones; and the number of the device's own counting up to which
    /// its answer acknowledges, 0 for none.
    backlog: VecDeque<(u32, u64)>,
    /// The highest such number of those that are done.
    acknowledged: u64,
    backlog_bytes: usize,
    live: usize,
    /// While there is anything.
    busy: Option<Busy>,
}

impl UnderWay {
    fn push(
        &mut self,
        future: BoxFuture<'static, Result<Bytes, Stop>>,
        backlog_bytes: usize,
        upto: u64,
        lanes: &Arc<Lanes>,
    ) {
        self.busy.get_or_insert_with(|| lanes.begin());
        self.futures.push_back(future);
        let bytes = u32::try_from(backlog_bytes).unwrap_or(u32::MAX);
        self.backlog.push_back((bytes, upto));
        self.backlog_bytes += backlog_bytes;
        self.live += usize::from(backlog_bytes == 0);
    }

    /// Waits for the oldest; `None` when nothing is under way.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Stop>> {
        let done = futures::StreamExt::next(&mut self.futures).await?;
        let (backlog, upto) = self.backlog.pop_front().unwrap_or_default();
        let backlog = backlog as usize;
        if done.is_ok() {
            self.acknowledged = self.acknowledged.max(upto);
        }
        self.backlog_bytes = self.backlog_bytes.saturating_sub(backlog);
        self.live -= usize::from(backlog == 0 && self.live > 0);
        if self.futures.is_empty() {
            // Most sessions are idle most of the time: nothing is kept for the next burst.
            let acknowledged = self.acknowledged;
            *self = Self {
                acknowledged,
                ..Self::default()
            };
        }
        Some(done)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.futures.is_empty()
    }

    fn has_room(&self, window: usize) -> bool {
        self.live < window && self.backlog_bytes < BACKLOG_BYTES
    }
}

/// The other side of a session.
pub(crate) struct Peer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) place: Arc<Place>,
    /// What only the two ends of this connection know; `None`: it is not TLS.
    pub(crate) binding: Option<tls::Binding>,
    /// Of the last frame.
    pub(super) reports: usize,
    /// Not reading until then: the device sends faster than any does.
    pub(super) paused: Option<Instant>,
    pub(super) session: u64,
    pub(super) writer: Writer,
    pub(super) under_way: UnderWay,
    /// When silence ends the session.
    pub(super) deadline: Instant,
    /// Nothing good has come yet.
    pub(super) fresh: bool,
    /// Cancelled when a newer session of the same device opens.
    pub(super) replaced: CancellationToken,
    pub(super) device: Option<DeviceId>,
    /// Commands to the device.
    pub(super) orders: Option<Orders>,
    /// The device is a protected person's: no frame of it may be kept.
    pub(super) protected: bool,
    /// No frame may be kept as it is: there is no legal basis, or it is a protected person's.
    pub(super) unkept: bool,
    /// The registered device that a frame of this session has named last, proved or not.
    pub(super) named: Option<DeviceId>,
}

impl Peer {
    /// True while another frame may be read: what is under way has a bound for each session and one for the gateway.
    pub(super) fn may_read(&self) -> bool {
        self.paused.is_none()
            && self.under_way.has_room(self.shared.config.window)
            && (self.under_way.is_empty() || self.shared.lanes.has_room_for(self.under_way.backlog_bytes))
    }

    /// When the session is next to look at the clock.
    pub(super) fn wake(&self) -> Instant {
        self.paused.map_or(self.deadline, |until| until.min(self.deadline))
    }

    /// True when a pause is over, and not the session.
    pub(super) fn resumes(&mut self) -> bool {
        let now = Instant::now();
        self.paused.take_if(|until| *until <= now).is_some() && now < self.deadline
    }

    /// After each frame: a stranger who sends garbage goes; a device that sends very much waits.
    pub(super) fn heard(&mut self) -> Result<(), Stop> {
        if self.place.is_offensive() {
            return Err(Stop("malformed"));
        }
        let reports = std::mem::take(&mut self.reports);
        if let Some(device) = self.device
            && let Some(pause) = self.place.pause(device, 1, reports)
        {
            self.paused = Some(Instant::now() + pause);
        }
        Ok(())
    }

    /// Notes a good frame: silence counts from now.
    pub(crate) fn alive(&mut self) {
        self.fresh = false;
        self.deadline = Instant::now() + self.shared.config.idle_after;
        if let Some(device) = self.device {
            let now = Timestamp::now();
            self.shared.presence.saw(device, now);
            self.shared.registry.heard(self.voice(device), Said::default(), now);
            if let Some(orders) = &self.orders {
                orders.spoke(now);
            }
        }
    }

    /// Notes a frame that could not be read of a device that has logged in: it lives, all the same.
    pub(crate) fn alive_if(&mut self, known: bool) {
        if known {
            self.alive();
        }
    }

    fn voice(&self, device: DeviceId) -> Voice {
        Voice {
            device,
            session: self.session,
            address: self.place.address(),
        }
    }

    /// True when the device may speak from here.
    pub(crate) fn allows(&self, known: &Known) -> bool {
        let allowed = known.allows(self.remote.ip());
        if !allowed {
            metrics::counter!("homeward_gateway_network_refusals_total", "protocol" => self.protocol.name())
                .increment(1);
        }
        allowed
    }

    /// Notes whose frame is being read, before that device has shown anything: from now on none of a protected person's is kept, nor
    /// of somebody whom no order lets anybody monitor.
    pub(crate) fn concerns(&mut self, known: &Known) {
        self.named = Some(known.device_id);
        self.protected |= known.protected.is_some();
        self.unkept |= !known.may_be_kept(Timestamp::now());
    }

    /// Notes what a frame says: none with a report of a time without a legal basis is kept as it is.
    pub(crate) fn says(&mut self, known: &Known, messages: &[Message]) {
        let without = |message: &Message| match message {
            Message::Report(report) => known.person_id.is_some() && !known.is_monitored(report.fix_time),
            _ => false,
        };
        self.unkept = !known.may_be_kept(Timestamp::now()) || messages.iter().any(without);
    }

    /// Notes which device has shown who it is. An older session of it ends where the newer has proved itself (native); elsewhere
    /// it stays until it is silent.
    pub(crate) fn belongs_to(&mut self, known: &Known) {
        let device = known.device_id;
        self.protected = known.protected.is_some();
        self.unkept = !known.may_be_kept(Timestamp::now());
        if self.device == Some(device) {
            return;
        }
        // A place lost a moment ago ends the session by itself.
        self.place.prove();
        if let Some(before) = self.device.replace(device) {
            self.shared.registry.leave(before, self.session);
        }
        let orders = self.orders.insert(self.shared.commands.enter(device, self.session));
        let rule = if self.protocol == Protocol::Native {
            orders.proven(Timestamp::now());
            Rule::NewestWins
        } else {
            Rule::BothStay
        };
        let voice = self.voice(device);
        if self
            .shared
            .registry
            .enter(voice, rule, &self.replaced, Timestamp::now())
        {
            metrics::counter!("homeward_gateway_sessions_replaced_total", "protocol" => self.protocol.name())
                .increment(1);
        }
    }

    /// Sends bytes now.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        match tokio::time::timeout(self.shared.config.write_within, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop("closed")),
            Err(_) => Err(Stop("write_timeout")),
        }
    }

    /// Notes how far the device's reports are durable, after the answer of an append.
    pub(super) fn durable(&mut self) {
        let upto = std::mem::take(&mut self.under_way.acknowledged);
        if let (Some(device), true) = (self.device, upto > 0) {
            self.shared.presence.acknowledged(device, upto);
        }
    }

    /// Up to which of its own numbers the device's reports are known to be durable; 0: not known, or two speak under its name.
    pub(crate) fn acknowledged(&self, device: DeviceId) -> u64 {
        if self.shared.registry.is_suspected(device, Timestamp::now()) {
            return 0;
        }
        self.shared.presence.acknowledged_of(device)
    }

    /// Decides what becomes of a report and adds its records to the batch.
    pub(crate) fn take(
        &self,
        known: &Known,
        report: &Report,
        received_at: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let voice = self.voice(known.device_id);
        records::heard(&self.shared, self.protocol, known, voice, report, received_at, batch)
    }

    /// Answers what needs no append. `positional`: answers have no number, so it waits for those before it.
    pub(crate) async fn reply(&mut self, positional: bool, answer: Bytes) -> Result<(), Stop> {
        if positional && !self.under_way.is_empty() {
            self.append(Batch::default(), Timestamp::now(), answer);
            return Ok(());
        }
        self.send(&answer).await
    }

    /// Sends a command's bytes. `reference`: what the device's answer carries.
    pub(crate) async fn instruct(&mut self, order: Order, reference: u32, frames: &[Bytes]) -> Result<(), Stop> {
        let sending = order.sending(self.reference(reference));
        for frame in frames {
            self.send(frame).await?;
        }
        sending.delivered();
        Ok(())
    }

    /// What a number is that the device's answer carries.
    fn reference(&self, number: u32) -> Reference {
        if self.protocol == Protocol::Jt808 {
            Reference::OfSession {
                session: self.session,
                serial: number,
            }
        } else {
            Reference::Lasting(number)
        }
    }

    /// Notes a device's answer to a command.
    pub(crate) fn answered(&self, message: &Message) {
        if let (Some(device), Message::CommandAnswer { reference, text, done }) = (self.device, message) {
            let reference = reference.map(|number| self.reference(number));
            // Its words may say where it is.
            let text = if self.unkept { "" } else { text };
            self.shared
                .commands
                .answered(device, self.session, reference, *done, text);
        }
    }

    /// Notes a position that carries the number of the question to which it is the answer.
    pub(crate) fn located_by(&self, known: &Known, reference: u32, report: &Report) {
        if let Some(device) = self.device
            && report.fix.as_ref().is_some_and(|fix| fix.valid)
            && known.is_monitored(report.fix_time)
        {
            let reference = self.reference(reference);
            self.shared.commands.located_by(device, reference, report.fix_time);
        }
    }

    /// Sends `answer` once all records are durable, and after the answers of all appends before.
    pub(crate) fn append(&mut self, batch: Batch, received_at: Timestamp, answer: Bytes) {
        self.append_upto(batch, received_at, answer, 0);
    }

    /// The same, of reports that the device has numbered: everything up to `upto` is durable then.
    pub(crate) fn append_upto(&mut self, mut batch: Batch, received_at: Timestamp, answer: Bytes, upto: u64) {
        let lanes = Arc::clone(&self.shared.lanes);
        let protocol = self.protocol.name();
        let protected = self.protected;
        self.reports += batch.len();
        let held = lanes.hold(&batch);
        let backlog_bytes = if batch.has_backlog() { held.bytes() } else { 0 };
        let append = async move {
            let records = batch.len();
            lanes.append(&mut batch, protocol).await?;
            records::appended(protocol, protected, records, received_at);
            drop(held);
            Ok(answer)
        };
        let appended = self.shared.home.run(append);
        let told = appended.map(|appended| appended.unwrap_or(Err(Stop("stream"))));
        self.under_way
            .push(told.boxed(), backlog_bytes, upto, &self.shared.lanes);
    }

    /// Puts a frame into quarantine; counts it in any case. Of a frame of a protected person's device, which may say where they
    /// are, only the sort of fault is kept.
    pub(crate) fn malformed(&self, identity: &str, fault: &Fault, raw: &Bytes) {
        self.place.malformed();
        if !self.place.keeps() {
            return Quarantine::count(self.protocol, fault);
        }
        // As it is now: the order may have ended since the frame before.
        let known = self.shared.directory.get(self.protocol, identity);
        let unkept = self.unkept || known.is_some_and(|known| !known.may_be_kept(Timestamp::now()));
        let raw = (!unkept).then_some(raw);
        let named = self.named.or(self.device).filter(|_| identity.is_empty());
        let claimed = named.and_then(|device| self.shared.directory.identity(self.protocol, device));
        self.shared.quarantine.claimed(
            self.protocol,
            (identity, claimed.as_deref().unwrap_or_default()),
            fault,
            raw,
            self.remote,
            Timestamp::now(),
        );
    }

    /// Puts a device into quarantine.
    pub(crate) fn refused(&self, identity: &str, reason: &str) {
        if OF_STRANGERS.contains(&reason) && !self.place.lists() {
            return Quarantine::count_device(self.protocol);
        }
        self.shared
            .quarantine
            .device(self.protocol, identity, reason, self.remote, Timestamp::now());
    }

    /// Waits for the appends under way, and answers them.
    pub(super) async fn finish(&mut self) -> Result<(), Stop> {
        // Where answers name what they answer, one that does not come does not hold up those behind it.
        let numbered = matches!(self.protocol, Protocol::Jt808 | Protocol::Gt06 | Protocol::Eelink);
        while let Some(done) = self.under_way.next().await {
            self.durable();
            match done {
                Ok(answer) => self.send(&answer).await?,
                Err(Stop("drained")) if numbered => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }
}

impl Drop for Peer {
    /// Also when the session is cut off.
    fn drop(&mut self) {
        if let Some(device) = self.device {
            self.shared.registry.leave(device, self.session);
        }
        metrics::gauge!("homeward_gateway_sessions", "protocol" => self.protocol.name()).decrement(1.0);
    }
}
