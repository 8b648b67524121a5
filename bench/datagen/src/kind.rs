//! The kinds of events: what their files are called and which scenario tells them.

use crate::scenario::{self, Scenario, Size};

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Price ticks of symbols, Zipf-distributed: symbol,ts,price,volume.
    Ticks,
    /// Card transactions with planted bursts: account,ts,amount,merchant.
    Transactions,
    /// Shopping carts, some abandoned: `user_id,ts,event,item,amount`.
    Cart,
    /// CPU usage of hosts, with planted highs: host,ts,usage.
    Cpu,
    /// Browsing, often without buying: `user_id,ts,event,item`.
    Browse,
    /// Heartbeats of devices, with planted silences: device,ts,temperature.
    Heartbeats,
    /// Page clicks in sessions: `user_id,ts,page`.
    Clicks,
    /// Orders from placing to refund: `order_id,ts,event,amount`.
    Orders,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Ticks,
        Self::Transactions,
        Self::Cart,
        Self::Cpu,
        Self::Browse,
        Self::Heartbeats,
        Self::Clicks,
        Self::Orders,
    ];

    /// What its file is called.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ticks => "ticks.csv",
            Self::Transactions => "transactions.csv",
            Self::Cart => "cart.csv",
            Self::Cpu => "cpu.csv",
            Self::Browse => "browse.csv",
            Self::Heartbeats => "heartbeats.csv",
            Self::Clicks => "clicks.csv",
            Self::Orders => "orders.csv",
        }
    }

    /// Keys and rows of the committed data set.
    pub fn example_size(self) -> (u32, u64) {
        match self {
            Self::Ticks => (5, 800),
            Self::Transactions => (20, 600),
            Self::Cart => (25, 500),
            Self::Cpu => (5, 1200),
            Self::Browse => (15, 600),
            Self::Heartbeats => (8, 800),
            Self::Clicks => (12, 600),
            Self::Orders => (u32::MAX, 300),
        }
    }

    pub(crate) fn scenario(self, size: Size) -> Box<dyn Scenario> {
        match self {
            Self::Ticks => Box::new(scenario::ticks::Ticks::new(size)),
            Self::Transactions => Box::new(scenario::transactions::Transactions::new(size)),
            Self::Cart => Box::new(scenario::cart::Cart::new(size)),
            Self::Cpu => Box::new(scenario::cpu::Cpu::new(size)),
            Self::Browse => Box::new(scenario::browse::Browse::new(size)),
            Self::Heartbeats => Box::new(scenario::heartbeats::Heartbeats::new(size)),
            Self::Clicks => Box::new(scenario::clicks::Clicks::new(size)),
            Self::Orders => Box::new(scenario::orders::Orders::new(size)),
        }
    }
}
