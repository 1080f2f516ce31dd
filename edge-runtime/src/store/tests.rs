mod disk;
mod failing;
mod power;
mod queue;
mod script;
