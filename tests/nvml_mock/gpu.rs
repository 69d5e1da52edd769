//! The values of one GPU. They move with time, belong together (a busy GPU is hot and draws power), and each can be set.

use crate::control::Control;

pub(crate) const GIB: f64 = 1_073_741_824.0;
/// NVLinks of an H100 SXM.
pub(crate) const LINKS: u32 = 18;

/// One GPU, or one MIG instance of it, at one moment.
pub(crate) struct Unit {
    pub(crate) gpu: usize,
    pub(crate) instance: Option<usize>,
    pub(crate) seconds: f64,
    pub(crate) control: Control,
}

impl Unit {
    /// What the control file sets under `key`, or else `value`.
    pub(crate) fn set(&self, key: &str, value: f64) -> f64 {
        self.control.value(self.gpu, key).unwrap_or(value)
    }

    /// 0 to 1: how much there is to do.
    fn busy(&self) -> f64 {
        0.6 + 0.35 * (self.seconds / 3.0 + self.gpu as f64).sin()
    }

    pub(crate) fn util(&self) -> f64 {
        self.set("util", 100.0 * self.busy())
    }

    pub(crate) fn milliwatts(&self) -> f64 {
        1000.0 * self.set("power", 110.0 + 550.0 * self.busy())
    }

    /// Since the driver was loaded, which was an hour before the library was.
    pub(crate) fn millijoules(&self) -> f64 {
        1000.0 * self.set("energy", 1.6e6 + 440.0 * self.seconds)
    }

    pub(crate) fn temp(&self) -> f64 {
        self.set("temp", 32.0 + 38.0 * self.busy())
    }

    pub(crate) fn clock_sm(&self) -> f64 {
        self.set("clock.sm", 1980.0 - 200.0 * self.busy())
    }

    pub(crate) fn throttle(&self) -> f64 {
        self.set("throttle", 0.0)
    }

    /// Total, reserved and used bytes of device memory; of an instance, its share.
    pub(crate) fn memory(&self) -> (f64, f64, f64) {
        let share = self.profile().map_or(1.0, |profile| slices(profile) / 8.0);
        let used = self.set("mem.used", 24.0 * GIB + 40.0 * GIB * self.busy());
        (share * 79.647 * GIB, share * 0.6 * GIB, share * used)
    }

    /// Bytes per second over PCIe, in and out.
    pub(crate) fn pcie(&self) -> (f64, f64) {
        (6e9 * self.busy(), 3e9 * self.busy())
    }

    /// Of a counter that grows by `rate` a second on average: never less than before.
    fn grown(&self, rate: f64) -> f64 {
        // The integral of `busy`.
        let turn = |seconds: f64| -(seconds / 3.0 + self.gpu as f64).cos();
        rate * (0.6 * self.seconds + 0.35 * 3.0 * (turn(self.seconds) - turn(0.0)))
    }

    /// The value of a field, whole or of one link; nothing for one that the GPU does not have.
    pub(crate) fn field(&self, id: u32, link: u32) -> Option<f64> {
        let value = match id {
            82 => self.temp() + 9.0,
            91 => f64::from(LINKS),
            // KiB of data over all links (scope UINT_MAX) or over one.
            138 | 139 if link == u32::MAX => 1e10 / 1024.0 + self.grown(90e9 / 1024.0),
            138 | 139 if link < LINKS => 5e8 / 1024.0 + self.grown(5e9 / 1024.0),
            142 => self.set("remap.corr", 0.0),
            143 => self.set("remap.uncorr", 0.0),
            144 => self.set("remap.pending", 0.0),
            145 => self.set("remap.failed", 0.0),
            164 if link < LINKS => self.set("nvlink.speed", 26_562.0),
            161..=163 if link < LINKS => self.set("nvlink.errors", 0.0),
            230 => self.set("recovery", 0.0),
            197 => 4e12 + self.grown(3e9),
            198 => 8e12 + self.grown(6e9),
            _ => return self.control.value(self.gpu, &format!("field:{id}")),
        };
        Some(self.set(&format!("field:{id}"), value))
    }

    /// The value of a GPM metric, as an average over the time between two samples.
    pub(crate) fn gpm(&self, id: u32) -> Option<f64> {
        const MIB: f64 = 1_048_576.0;
        Some(match id {
            2 => self.set("sm.active", 88.0 * self.busy()),
            5 => self.set("tensor.active", 55.0 * self.busy()),
            10 => self.set("dram.active", 60.0 * self.busy()),
            20 => self.pcie().1 / MIB,
            21 => self.pcie().0 / MIB,
            60 | 61 => 90e9 * self.busy() / MIB,
            _ => return None,
        })
    }

    /// Pids with bytes of memory, percent of SM time, and the MIG instance that they run on.
    pub(crate) fn processes(&self) -> Vec<(u32, f64, u32, Option<usize>)> {
        let pid = |n: usize| match n {
            0 => self.set("pid", (40_000 + 100 * self.gpu) as f64) as u32,
            _ => (40_000 + 100 * self.gpu + n) as u32,
        };
        match self.control.mig(self.gpu) {
            Some(profiles) => (0..profiles.len()).map(|n| (pid(n), 2.0 * GIB, 0, Some(n))).collect(),
            None => (0..self.set("procs", 2.0) as usize)
                .map(|n| (pid(n), 20.0 * GIB, (self.util() / 2.0) as u32, None))
                .collect(),
        }
    }

    /// The profile of the MIG instance that this is.
    pub(crate) fn profile(&self) -> Option<&str> {
        let profiles = self.control.mig(self.gpu)?;
        profiles.get(self.instance?).map(String::as_str)
    }

    pub(crate) fn uuid(&self) -> String {
        let kind = if self.instance.is_some() { "MIG" } else { "GPU" };
        format!("{kind}-5e6f7a10-0000-4000-8000-{:08x}{:04x}", self.gpu, self.instance.map_or(0, |i| i + 1))
    }

    /// Domain, bus and device, as a DGX H100 numbers them.
    pub(crate) fn address(&self) -> (u32, u32, u32) {
        const BUSES: [u32; 8] = [0x1b, 0x43, 0x52, 0x61, 0x9d, 0xc3, 0xd1, 0xdf];
        (self.gpu as u32 / 8, BUSES[self.gpu % 8], 0)
    }
}

/// How many of a GPU's eight memory slices a profile takes: `1g.10gb` is one.
fn slices(profile: &str) -> f64 {
    let gb = profile.split_once('.').and_then(|(_, memory)| memory.strip_suffix("gb")?.parse::<f64>().ok());
    gb.expect("a MIG profile such as 1g.10gb") / 10.0
}

/// How the driver numbers the GPU instance of a MIG device. Guess: on hardware the numbers depend on the placement.
pub(crate) fn instance_id(instance: usize) -> u32 {
    7 + instance as u32
}
