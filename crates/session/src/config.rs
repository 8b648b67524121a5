//! How a session starts.

/// How a session starts.
#[derive(Debug, Clone, Default)]
pub struct SessionConfig {
    /// Settings, as `SET 'key' = 'value'` would make them, in this order.
    pub settings: Vec<(String, String)>,
    /// Whether these settings win over what a script sets: so with `dipper run --set`.
    pub fixed: bool,
}
