#![no_main]

halo_intake_fuzz::target!("tnef");
