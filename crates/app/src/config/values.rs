//! Where a setting's value comes from: flag, then environment, then TOML file, then default.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{
    ConfigError,
    settings::{Group, Need, SETTINGS, Setting},
};

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The program itself, for a command that decides some settings on its own.
    Program,
    Flag,
    Environment,
    /// The TOML file of that name.
    File(String),
    /// The table of settings.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("set by the program"),
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => f.write_str(path),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Values by setting name.
pub(crate) type Layer = BTreeMap<&'static str, String>;

/// What was given, layer over layer: the first that has a value wins.
#[derive(Debug)]
pub(crate) struct Values(Vec<(Origin, Layer)>);

impl Values {
    /// Flags over environment over file.
    ///
    /// `env` is asked for each setting once.
    pub(crate) fn new(
        flags: Layer,
        env: impl Fn(&str) -> Option<String>,
        file: Option<(String, Layer)>,
    ) -> Self {
        let environment = SETTINGS.iter().filter_map(|s| Some((s.name, env(s.name)?))).collect();
        let mut layers = vec![(Origin::Flag, flags), (Origin::Environment, environment)];
        layers.extend(file.map(|(path, layer)| (Origin::File(path), layer)));
        Self(layers)
    }

    /// Puts what the program decides above whatever was given.
    pub(crate) fn force(&mut self, layer: Layer) {
        self.0.insert(0, (Origin::Program, layer));
    }

    /// Other defaults than the table's, below whatever was given.
    pub(crate) fn fall_back_on(&mut self, layer: Layer) {
        self.0.push((Origin::Program, layer));
    }

    /// Whether somebody said what a setting is to be: not the program, nor the table's default.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        let origin = Setting::named(name).and_then(|setting| self.find(setting)).map(|(origin, _)| origin);
        !matches!(origin, None | Some(Origin::Program | Origin::Default))
    }

    /// All settings of `groups` that have no value and need one.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], with all their names.
    pub(crate) fn require(&self, groups: &[Group]) -> Result<(), ConfigError> {
        let names: Vec<_> = SETTINGS
            .iter()
            .filter(|setting| groups.contains(&setting.group))
            .filter(|setting| match setting.need {
                Need::Optional => false,
                Need::Required => self.find(setting).is_none(),
                Need::Unless(other) => {
                    self.find(setting).is_none()
                        && Setting::named(other).is_none_or(|s| self.find(s).is_none())
                }
            })
            .map(|setting| setting.name)
            .collect();
        if names.is_empty() { Ok(()) } else { Err(ConfigError::Missing { names }) }
    }

    /// The parsed value of a setting, if it has one.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] when `parse` refuses it; `parse` answers with the expected form.
    pub(crate) fn optional<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(setting) = Setting::named(name) else {
            return Err(ConfigError::Missing { names: vec![name] });
        };
        let Some((origin, text)) = self.find(setting) else { return Ok(None) };
        parse(text).map(Some).map_err(|expected| ConfigError::Wrong {
            name,
            origin: origin.clone(),
            expected,
            found: (!setting.secret).then(|| text.to_owned()),
        })
    }

    /// The parsed value of a setting that must have one, be it a default.
    ///
    /// # Errors
    /// As [`Self::optional`], and [`ConfigError::Missing`].
    pub(crate) fn get<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        self.optional(name, parse)?.ok_or(ConfigError::Missing { names: vec![name] })
    }

    /// An error about the value that a setting has now, for rules that look at more than one setting.
    pub(crate) fn wrong(&self, name: &'static str, expected: impl Into<String>) -> ConfigError {
        let origin = Setting::named(name)
            .and_then(|setting| self.find(setting))
            .map_or(Origin::Default, |(origin, _)| origin.clone());
        ConfigError::Wrong { name, origin, expected: expected.into(), found: None }
    }

    fn find<'a>(&'a self, setting: &'a Setting) -> Option<(&'a Origin, &'a str)> {
        let given = self.0.iter().find_map(|(origin, layer)| {
            let text = layer.get(setting.name)?;
            (setting.may_be_empty || !text.is_empty()).then_some((origin, text.as_str()))
        });
        given.or_else(|| Some((&Origin::Default, setting.default?)))
    }
}

/// Reads a TOML file of settings: names in lower case or as in the environment; text, numbers, booleans or arrays of
/// text.
///
/// # Errors
/// [`ConfigError::File`] when it cannot be read, is no TOML or names an unknown setting
/// or one in both spellings; [`ConfigError::Wrong`] for a value of another kind.
pub(crate) fn read_file(path: &Path) -> Result<(String, Layer), ConfigError> {
    let shown = path.display().to_string();
    let failed = |reason: String| ConfigError::File { path: shown.clone(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| failed(first_line(&error, &text)))?;
    let mut layer = Layer::new();
    for (key, value) in table {
        let setting = SETTINGS.iter().find(|setting| setting.name == key || setting.key() == key);
        let setting = setting.ok_or_else(|| failed(format!("there is no setting {key:?}")))?;
        let text = as_text(&value).ok_or_else(|| ConfigError::Wrong {
            name: setting.name,
            origin: Origin::File(shown.clone()),
            expected: "text, a whole number, true, false or an array of text".to_owned(),
            found: None,
        })?;
        if layer.insert(setting.name, text).is_some() {
            return Err(failed(format!("{} and {} are the same setting", setting.key(), setting.name)));
        }
    }
    Ok((shown, layer))
}

/// Where and what, without the excerpt: the line may hold a secret.
fn first_line(error: &toml::de::Error, text: &str) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message().replace('\n', " "))
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
