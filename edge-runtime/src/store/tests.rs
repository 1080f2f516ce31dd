mod disk;
mod failing;
mod power;
mod script;
