//! Issuers' tokens through a keyring: who gets in, and each way that nobody does.

use serde_json::{Value, json};

use super::testing::{
    CERTIFICATE, CERTIFICATE_TOKEN, NOW_MS, NOW_S, SECRET, Signer, deep_token, encode, hs256, signed, unsigned,
};
use super::*;
use crate::model::Identity;

const ISSUER: &str = "https://securetoken.google.com/demo";

fn with(trust: Trust, keys: &[Value]) -> Keyring {
    let keys = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    let name = trust.issuers[0].issuer.clone();
    Keyring::production(trust).unwrap().with_keys(&name, keys)
}

/// A keyring of this issuer with the keys `k-RS256`, `k-ES256` and `k-EdDSA`; and of a database secret.
fn keyring(issuer: Issuer) -> Keyring {
    let keys = [Signer::rsa(), Signer::ec(), Signer::ed()].map(|signer| signer.jwk(&key_id(signer)));
    let secrets = vec![Secret::new(SECRET).unwrap()];
    with(Trust { secrets, issuers: vec![issuer], ..Trust::default() }, &keys)
}

fn key_id(signer: Signer) -> String {
    format!("k-{}", signer.algorithm())
}

/// Claims of an ID token of an hour with some members replaced (or, with null, removed).
fn claims(members: &Value) -> Value {
    let mut all = json!({
        "iss": ISSUER, "aud": "demo", "sub": "u1", "iat": NOW_S, "auth_time": NOW_S, "exp": NOW_S + 3_600,
        "firebase": { "sign_in_provider": "password" },
    });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    all
}

fn token(members: &Value) -> String {
    Signer::rsa().token("k-RS256", &claims(members))
}

fn firebase() -> Keyring {
    keyring(Issuer::firebase("demo"))
}

fn auth(keyring: &Keyring, text: &str) -> Result<Identified, AuthError> {
    keyring.identify(&Credential::Auth(text), NOW_MS)
}

fn bearer(keyring: &Keyring, text: &str) -> Result<Identified, AuthError> {
    keyring.identify(&Credential::Bearer(text), NOW_MS)
}

#[track_caller]
fn refused(text: &str, error: &AuthError) {
    assert_eq!(auth(&firebase(), text).unwrap_err(), *error, "{text}");
}

#[track_caller]
fn refused_claim(members: &Value, name: &'static str) {
    refused(&token(members), &AuthError::Claim(name.into()));
}

#[test]
fn firebase_user_is_let_in_until_the_token_ends() {
    let user = auth(&firebase(), &token(&json!({ "email": "a@b.c" }))).unwrap();
    let claims = claims(&json!({ "email": "a@b.c" }));
    assert_eq!(user.identity, Identity::of(json!({ "uid": "u1", "provider": "password", "token": claims })));
    assert_eq!(user.expires_at_ms, Some(NOW_MS + 3_600_000));
    let body = user.realtime_body();
    assert_eq!((&body["expires"], &body["auth"]["email"]), (&json!(NOW_S + 3_600), &json!("a@b.c")));
}

#[test]
fn each_algorithm_is_verified_with_its_own_key() {
    let keyring = keyring(Issuer { algorithms: Issuer::new("", "").algorithms, ..Issuer::firebase("demo") });
    let signers = [Signer::rsa(), Signer::ec(), Signer::ed()];
    for signer in signers {
        for (said, named) in signers.iter().flat_map(|said| signers.map(|named| (said.algorithm(), key_id(named)))) {
            let text = signer.token_with(&json!({ "alg": said, "kid": named }), &claims(&json!({})));
            let good = said == signer.algorithm() && named == key_id(signer);
            assert_eq!(
                auth(&keyring, &text).map(|user| user.debug),
                if good { Ok(false) } else { Err(AuthError::Invalid) }
            );
        }
    }
    let forged = Signer::other_rsa().token("k-RS256", &claims(&json!({})));
    assert_eq!(auth(&keyring, &forged).unwrap_err(), AuthError::Invalid);
}

#[test]
fn algorithm_that_is_not_the_issuers_is_refused() {
    refused(&Signer::ec().token("k-ES256", &claims(&json!({}))), &AuthError::Invalid);
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "RS512", "PS256", "ES384", "rs256", "RS256 "] {
        let header = json!({ "alg": alg, "kid": "k-RS256" });
        refused(&Signer::rsa().token_with(&header, &claims(&json!({}))), &AuthError::Invalid);
        refused(&signed(&header.to_string(), &claims(&json!({})), |_| Vec::new()), &AuthError::Invalid);
    }
    refused(&unsigned(&claims(&json!({}))), &AuthError::Invalid);
}

#[test]
fn public_key_is_no_secret() {
    let legacy = json!({ "v": 0, "iat": NOW_S, "d": { "uid": "x" }, "admin": true });
    let all = claims(&legacy);
    for signer in [Signer::rsa(), Signer::ec(), Signer::ed()] {
        for text in signer.public_texts() {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &text);
            for header in [json!({ "alg": "HS256", "kid": key_id(signer) }), json!({ "alg": "HS256" })] {
                let text =
                    signed(&header.to_string(), &all, |message| aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec());
                refused(&text, &AuthError::Invalid);
                assert_eq!(bearer(&firebase(), &text).unwrap_err(), AuthError::NotAdmin);
            }
        }
    }
}

#[test]
fn secret_signs_no_issuers_token_and_an_issuer_no_secrets() {
    // The claims of an ID token, signed with the database secret: it has no version.
    refused(&hs256(SECRET, &claims(&json!({}))), &AuthError::Claim("v".into()));
    // The claims of a token of the secret, signed by the issuer: nothing that it says of `d` or `admin` counts.
    let text = token(&json!({ "v": 0, "d": { "uid": "root" }, "admin": true }));
    let user = auth(&firebase(), &text).unwrap();
    assert_eq!((user.identity.is_admin(), &user.identity.auth().unwrap()["uid"]), (false, &json!("u1")));
}

#[test]
fn token_brings_no_key_of_its_own() {
    let forger = Signer::other_rsa();
    let all = claims(&json!({}));
    for header in [
        json!({ "alg": "RS256", "kid": "k-RS256", "jwk": forger.jwk("k-RS256") }),
        json!({ "alg": "RS256", "kid": "k-RS256", "jku": "https://evil.example/keys", "x5u": "https://evil.example" }),
        json!({ "alg": "RS256", "kid": "k-RS256", "x5c": [encode(&forger.public_texts()[0])] }),
    ] {
        refused(&forger.token_with(&header, &all), &AuthError::Invalid);
        assert!(auth(&firebase(), &Signer::rsa().token_with(&header, &all)).is_ok());
    }
    let header = json!({ "alg": "RS256", "kid": "k-RS256", "crit": ["exp"] });
    refused(&Signer::rsa().token_with(&header, &all), &AuthError::Invalid);
}

#[test]
fn key_must_be_named_and_known() {
    let header = json!({ "alg": "RS256" });
    refused(&Signer::rsa().token_with(&header, &claims(&json!({}))), &AuthError::MissingKeyId);
    refused(&Signer::rsa().token("k-new", &claims(&json!({}))), &AuthError::UnknownKeyId);
    for bad in ["", "k-RS256 ", "../../dev/null", "' or 1=1 --"] {
        refused(&Signer::rsa().token(bad, &claims(&json!({}))), &AuthError::UnknownKeyId);
    }
    let header = json!({ "alg": "RS256", "kid": ["k-RS256"] });
    refused(&Signer::rsa().token_with(&header, &claims(&json!({}))), &AuthError::Invalid);
}

#[test]
fn unknown_key_tells_whose_keys_to_fetch_and_then_is_known() {
    let keyring = firebase();
    let text = Signer::other_rsa().token("k-new", &claims(&json!({})));
    assert_eq!(keyring.needs_keys(&text).unwrap().issuer, ISSUER);
    let jwks = json!({ "keys": [Signer::other_rsa().jwk("k-new")] }).to_string();
    let fresh = keyring.clone().with_keys(ISSUER, KeySet::parse(jwks.as_bytes()).unwrap());
    let user = auth(&fresh, &text).unwrap();
    assert!(fresh.needs_keys(&text).is_none() && fresh.grants(&user.key) && keyring.grants(&user.key));
    // Nothing is fetched for what would be refused with any key.
    let elsewhere = Signer::rsa().token("k-new", &claims(&json!({ "iss": "https://evil.example" })));
    let other_algorithm = Signer::ec().token("k-new", &claims(&json!({})));
    for text in [&token(&json!({})), &elsewhere, &other_algorithm, &unsigned(&claims(&json!({}))), "", "owner"] {
        assert!(keyring.needs_keys(text).is_none(), "{text}");
    }
    assert!(Keyring::emulator().needs_keys(&text).is_none());
    assert_eq!(keyring.issuers().map(|issuer| issuer.issuer.as_str()).collect::<Vec<_>>(), [ISSUER]);
}

#[test]
fn token_of_another_issuer_or_for_another_audience_is_refused() {
    for bad in [json!("https://securetoken.google.com/demo2"), json!(format!("{ISSUER}/")), json!(null), json!(1)] {
        refused_claim(&json!({ "iss": bad }), "iss");
    }
    for bad in [json!("demo2"), json!(""), json!(null), json!([]), json!(["x", 1]), json!({ "demo": 1 })] {
        refused_claim(&json!({ "aud": bad }), "aud");
    }
    assert!(auth(&firebase(), &token(&json!({ "aud": ["x", "demo"] }))).is_ok());
    // Minted by an Admin SDK to be exchanged for an ID token, and no ID token itself.
    let custom = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit";
    refused_claim(&json!({ "aud": custom, "uid": "u1" }), "aud");
}

#[test]
fn times_are_kept_to_and_an_end_is_required() {
    assert_eq!(auth(&firebase(), &token(&json!({ "exp": NOW_S }))).unwrap_err(), AuthError::Expired);
    assert!(auth(&firebase(), &token(&json!({ "exp": NOW_S + 1 }))).is_ok());
    for bad in [json!(null), json!("x"), json!(i64::MAX), json!(f64::MAX)] {
        refused_claim(&json!({ "exp": bad }), "exp");
    }
    for name in ["iat", "auth_time", "nbf"] {
        assert!(auth(&firebase(), &token(&json!({ name: NOW_S + 300 }))).is_ok());
        refused_claim(&json!({ name: NOW_S + 301 }), name);
        refused_claim(&json!({ name: "x" }), name);
    }
    let leeway = Leeway { expiry_ms: 10_000, issued_ms: 0, ..Leeway::default() };
    let trust = Trust { issuers: vec![Issuer::firebase("demo")], leeway, ..Trust::default() };
    let keyring = with(trust, &[Signer::rsa().jwk("k-RS256")]);
    let at =
        |text: &str, ms: i64| keyring.identify(&Credential::Auth(text), NOW_MS + ms).map(|user| user.expires_at_ms);
    let text = token(&json!({ "exp": NOW_S + 1 }));
    assert_eq!((at(&text, 10_999), at(&text, 11_000)), (Ok(Some(NOW_MS + 11_000)), Err(AuthError::Expired)));
    assert_eq!(at(&text, -1), Err(AuthError::Claim("iat".into())));
}

#[test]
fn every_cut_and_every_changed_letter_is_refused() {
    let keyring = firebase();
    let text = token(&json!({}));
    for end in 0..text.len() {
        assert!(auth(&keyring, &text[..end]).is_err(), "cut at {end}");
    }
    for at in 0..text.len() {
        let letter = if &text[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
        assert!(auth(&keyring, &changed).is_err(), "changed at {at}");
    }
    for more in [format!("{text}A"), format!("{text}."), format!(".{text}"), format!("{text}\n"), format!(" {text}")] {
        assert!(auth(&keyring, &more).is_err(), "{more}");
    }
    assert!(auth(&keyring, &text).is_ok());
}

#[test]
fn oversize_and_deep_tokens_are_refused() {
    refused(&token(&json!({ "x": "y".repeat(8 * 1024) })), &AuthError::Invalid);
    refused(&deep_token(1_000), &AuthError::Invalid);
    let levels = "[".repeat(200) + &"]".repeat(200);
    let message = format!("{}.{}", encode(r#"{"alg":"RS256","kid":"k-RS256"}"#), encode(format!("{{\"a\":{levels}}}")));
    refused(&format!("{message}.AAAA"), &AuthError::Invalid);
}

#[test]
fn required_claims_are_required() {
    let tenant = ClaimIs { claim: "firebase.tenant".to_owned(), equals: Some("t1".into()) };
    let verified = ClaimIs { claim: "email_verified".to_owned(), equals: None };
    let keyring = keyring(Issuer { required_claims: vec![tenant, verified], ..Issuer::firebase("demo") });
    let of = |tenant: &str, more: &Value| {
        let mut all = claims(more);
        all["firebase"]["tenant"] = tenant.into();
        auth(&keyring, &Signer::rsa().token("k-RS256", &all)).map(|user| user.debug)
    };
    assert_eq!(of("t1", &json!({ "email_verified": true })), Ok(false));
    assert_eq!(of("t2", &json!({ "email_verified": true })), Err(AuthError::Claim("firebase.tenant".into())));
    assert_eq!(of("t1", &json!({})), Err(AuthError::Claim("email_verified".into())));
}

#[test]
fn administrators_channel_takes_no_users_unless_told() {
    let admin = ClaimIs { claim: "roles".to_owned(), equals: Some("rtdb-admin".into()) };
    let with_admins = keyring(Issuer { admin_claim: Some(admin), ..Issuer::firebase("demo") });
    let boss = token(&json!({ "roles": ["x", "rtdb-admin"] }));
    let found = bearer(&with_admins, &boss).unwrap();
    assert_eq!((&found.identity, found.expires_at_ms), (&Identity::Admin, Some(NOW_MS + 3_600_000)));
    assert!(!auth(&with_admins, &boss).unwrap().identity.is_admin());
    assert_eq!(bearer(&firebase(), &boss).unwrap_err(), AuthError::NotAdmin);
    for roles in [json!("rtdb-admins"), json!(["x"]), json!(null), json!({ "rtdb-admin": true })] {
        assert_eq!(bearer(&with_admins, &token(&json!({ "roles": roles }))).unwrap_err(), AuthError::NotAdmin);
    }
    let open = keyring(Issuer { users_in_bearer: true, ..Issuer::firebase("demo") });
    assert_eq!(bearer(&open, &token(&json!({}))).unwrap().identity.auth().unwrap()["uid"], "u1");
    assert_eq!(bearer(&open, &token(&json!({ "exp": 1 }))).unwrap_err(), AuthError::Expired);
    assert_eq!(bearer(&open, &token(&json!({ "aud": "x" }))).unwrap_err(), AuthError::NotAdmin);
    assert_eq!(bearer(&open, "owner").unwrap_err(), AuthError::NotAdmin);
}

#[test]
fn change_of_an_issuer_revokes_what_it_granted() {
    let keyring_before = firebase();
    let key = auth(&keyring_before, &token(&json!({}))).unwrap().key;
    assert!(keyring_before.grants(&key) && firebase().grants(&key));
    let changed = Issuer { audiences: vec!["demo2".to_owned()], ..Issuer::firebase("demo") };
    assert!(!keyring(changed).grants(&key));
    assert!(!keyring(Issuer::firebase("demo2")).grants(&key));
    assert!(!Keyring::emulator().grants(&key));
}

#[test]
fn administrators_key_opens_until_it_ends_or_is_revoked() {
    let (text, key) = AdminKey::generate("ci", 0, Some(NOW_MS + 5));
    let of = |keys: Vec<AdminKey>| Keyring::production(Trust { admin_keys: keys, ..Trust::default() }).unwrap();
    let own = AdminKey::of_text("config-1", &"x".repeat(32), None).unwrap();
    let keyring = of(vec![own, key.clone()]);
    let found = bearer(&keyring, text.expose()).unwrap();
    assert_eq!((found.identity.is_admin(), found.expires_at_ms), (true, Some(NOW_MS + 5)));
    assert!(bearer(&keyring, &"x".repeat(32)).unwrap().identity.is_admin());
    assert_eq!(auth(&keyring, text.expose()).unwrap_err(), AuthError::Invalid);
    let later = keyring.identify(&Credential::Bearer(text.expose()), NOW_MS + 5);
    assert_eq!(later.unwrap_err(), AuthError::Expired);
    let mut revoked = key.clone();
    revoked.revoke(1);
    let keyring_after = of(vec![revoked]);
    assert_eq!(bearer(&keyring_after, text.expose()).unwrap_err(), AuthError::NotAdmin);
    assert!(keyring.grants(&found.key) && !keyring_after.grants(&found.key) && !of(vec![]).grants(&found.key));
    for wrong in [&text.expose()[1..], &format!("{}A", text.expose()), &key.id, &key.fingerprint.to_string()] {
        assert_eq!(bearer(&keyring, wrong).unwrap_err(), AuthError::NotAdmin, "{wrong}");
    }
}

#[test]
fn certificates_that_firebase_publishes_verify_its_tokens() {
    let keys = KeySet::parse(json!({ "cert-1": CERTIFICATE }).to_string().as_bytes()).unwrap();
    let trust = Trust { issuers: vec![Issuer::firebase("demo")], ..Trust::default() };
    let keyring = Keyring::production(trust).unwrap().with_keys(ISSUER, keys);
    assert_eq!(auth(&keyring, CERTIFICATE_TOKEN).unwrap().identity.auth().unwrap()["uid"], "u1");
    let forged = Signer::other_rsa().token("cert-1", &claims(&json!({})));
    assert_eq!(auth(&keyring, &forged).unwrap_err(), AuthError::Invalid);
}

#[test]
fn keyring_refuses_what_cannot_be_meant() {
    let refused = |trust: Trust| Keyring::production(trust).unwrap_err();
    let issuer = Issuer::firebase("demo");
    let twice = Trust { issuers: vec![issuer.clone(), issuer.clone()], ..Trust::default() };
    assert_eq!(refused(twice), KeyringError::Twice(ISSUER.to_owned()));
    let key = AdminKey::of_text("a", &"x".repeat(32), None).unwrap();
    let twice = Trust { admin_keys: vec![key.clone(), key], ..Trust::default() };
    assert_eq!(refused(twice), KeyringError::Twice("a".to_owned()));
    let nobody = Issuer { audiences: Vec::new(), ..issuer };
    assert!(refused(Trust { issuers: vec![nobody], ..Trust::default() }).to_string().contains("needs an audience"));
    let many = Trust { secrets: vec![Secret::new(SECRET).unwrap(); 17], ..Trust::default() };
    assert_eq!(refused(many), KeyringError::TooMany("database secrets"));
}

#[test]
fn nothing_prints_a_secret() {
    let (text, key) = AdminKey::generate("ci", 0, None);
    let secrets = vec![Secret::new(SECRET).unwrap()];
    let trust = Trust { secrets, admin_keys: vec![key], issuers: vec![Issuer::firebase("demo")], ..Trust::default() };
    let shown = format!("{trust:?} {:?} {text:?}", Keyring::production(trust.clone()).unwrap());
    let keyring = Keyring::production(trust).unwrap();
    let errors =
        [auth(&keyring, &SECRET[1..]), bearer(&keyring, SECRET)].map(|found| format!("{:?}", found.unwrap_err()));
    let found = [auth(&keyring, SECRET), bearer(&keyring, text.expose())].map(|found| format!("{:?}", found.unwrap()));
    let shown = format!("{shown} {errors:?} {found:?}");
    let bytes = |text: &str| format!("{:?}", text.as_bytes())[1..30].to_owned();
    for secret in [SECRET, text.expose(), &text.expose()[14..], &bytes(SECRET), &bytes(text.expose())] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused_or_identified(text in "\\PC*", parts in proptest::collection::vec("\\PC{0,40}", 0..5)) {
        any(&text);
        any(&parts.join("."));
        any(&parts.iter().map(encode).collect::<Vec<_>>().join("."));
    }

    #[test]
    fn any_claims_are_refused_or_identified(
        alg in "(RS256|HS256|none|ES256|x)", kid in "(k-RS256|x)?", name in "(iss|aud|sub|exp|iat|v|d|admin|firebase)",
        value in json_value(),
    ) {
        let all = claims(&json!({ name: value, "v": 0, "d": { "uid": "u" } }));
        any(&Signer::rsa().token_with(&json!({ "alg": alg, "kid": kid }), &all));
        any(&hs256(SECRET, &all));
        any(&unsigned(&all));
    }
}

/// Neither keyring panics; and production lets nobody in as an administrator.
fn any(text: &str) {
    for credential in [Credential::Auth(text), Credential::Bearer(text)] {
        let _ = Keyring::emulator().identify(&credential, NOW_MS);
        if let Ok(found) = firebase().identify(&credential, NOW_MS) {
            let _ = found.realtime_body();
            assert!(!found.identity.is_admin() || text.contains('.'), "{text}");
        }
    }
    let _ = firebase().needs_keys(text);
    let _ = act_as(text);
    let _ = KeySet::parse(text.as_bytes());
}

fn json_value() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 4, |inner| {
        let object = proptest::collection::btree_map("[a-z]{0,5}", inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}
