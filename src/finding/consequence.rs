//! What a blocked service means for the people who use it (facts F1 to F9, ADP-04, AUD-02, LIC-02, PVS-12): knowledge about
//! services, told as it stands.

/// A sentence; none where nothing more is known than that the service does not work.
pub(super) fn consequence(service: &str) -> Option<&'static str> {
    match service {
        "cgp" => {
            Some("Sessions cannot use session reliability; they start on TCP 1494 if that is open, else not at all.")
        }
        "ica" => Some("Sessions without session reliability, and the way back from a blocked TCP 2598, fail."),
        "edt" => Some("Sessions fall back to TCP, start later and are slower on long or lossy lines."),
        "audio" => Some("Sound stays inside the session connection or is missing."),
        "licensing" => Some("Licences cannot be checked out; TCP 27000 and TCP 7279 are both needed."),
        "pvs-login" | "pvs-stream" => Some("Target devices cannot boot or keep their disk."),
        "pvs-soap" => Some("Imaging and the Provisioning console cannot reach the server."),
        _ => None,
    }
}
