//! After a change of the model: new templates of the crops that were kept.

use super::Store;
use super::error::StoreError;
use super::fault::Fault;
use super::vault::Person;
use crate::millis::unix_millis;
use crate::network::Network;
use shared::audit::{AuditEvent, What};
use shared::bundle::Manifest;
use shared::enrollment::EnrollmentRecord;
use shared::store::KeptCrops;

/// So many people are changed at once; each time the database is written anew.
const BATCH: usize = 256;

/// What became of the people who were enrolled under another model.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// These have new templates.
    pub renewed: Vec<String>,
    /// These must be enrolled anew, and why their crops do not do.
    pub left: Vec<(String, String)>,
}

impl Store {
    /// Makes new templates for everybody whose templates are of another model than the network's,
    /// which that manifest tells of, and whose crops are kept. The time of enrollment stays.
    ///
    /// # Errors
    /// [`StoreError`]; people who were renewed before it stay so.
    pub fn reembed(&self, network: &Network, manifest: &Manifest) -> Result<Renewed, StoreError> {
        let mut foreign = Vec::new();
        self.read(|vault, tx| {
            vault.each(tx, |_, record| {
                let record = record.ok().filter(|record| record.model != network.model());
                foreign.extend(record.map(|record| record.subject().to_owned()));
            })
        })?;
        foreign.sort();
        let mut renewed = Renewed::default();
        for subjects in foreign.chunks(BATCH) {
            self.reembed_some(subjects, network, manifest, &mut renewed)?;
        }
        Ok(renewed)
    }

    fn reembed_some(
        &self,
        subjects: &[String],
        network: &Network,
        manifest: &Manifest,
        renewed: &mut Renewed,
    ) -> Result<(), StoreError> {
        let mut new = Vec::new();
        for subject in subjects {
            let kept = self.read(|vault, tx| {
                let record = vault.find(tx, subject)?.and_then(Result::ok);
                Ok((record, vault.crops(tx, subject)?))
            })?;
            // Removed or enrolled anew meanwhile.
            let (Some(record), crops) = kept else {
                continue;
            };
            match again(&record, crops.as_ref(), network) {
                Ok(record) => new.push((record, crops)),
                // The door lets them in as they are.
                Err(_) if manifest.accepts(record.model).is_some() => {}
                Err(reason) => renewed.left.push((subject.clone(), reason)),
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        self.change_people(|vault, tx| {
            for (record, crops) in &new {
                let crops = crops.as_ref();
                vault.add(tx, Person { record, crops }, true)?;
                let detail = format!("for model {:?}", record.model);
                let event = AuditEvent::new(What::Reembedded, Some(record.subject()), &detail);
                vault.append(tx, unix_millis(), [event])?;
            }
            Ok::<_, Fault>(())
        })?;
        let names = new.iter().map(|(record, _)| record.subject().to_owned());
        renewed.renewed.extend(names);
        Ok(())
    }
}

/// The record with templates of this network, or why there is none.
fn again(
    record: &EnrollmentRecord,
    crops: Option<&KeptCrops>,
    network: &Network,
) -> Result<EnrollmentRecord, String> {
    let crops = crops.ok_or("no crops of this person are kept")?;
    if crops.template() != network.input().template {
        return Err("the new model takes crops of another shape".into());
    }
    let faces = crops.faces().ok_or("the kept crops are damaged")?;
    let templates = faces.iter().map(|face| Ok(network.embed(face)?.embedding));
    let templates: Result<_, crate::network::NetworkError> = templates.collect();
    let templates = templates.map_err(|error| error.to_string())?;
    EnrollmentRecord::new(
        record.subject(),
        network.model(),
        templates,
        record.enrolled_at,
    )
    .map_err(|error| error.to_string())
}
