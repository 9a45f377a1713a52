//! What a command works with: AWS, the stack, its secret and Twilio, each looked up when it is first needed.

use std::sync::Arc;

use aws_types::SdkConfig;
use domain::{
    account_settings::AccountSettings,
    erasure::ErasureKey,
    templates::TemplateRegistry,
    tenants::{Tenants, TenantsDocument},
};
use shared::{
    erasure::read_key,
    secrets::{self, Accounts},
};
use stores::{
    cancel_notification::NotificationCanceller, contacts::Contacts, messages::Messages,
    notification_log::NotificationLogs, notifications::Notifications, pauses::PauseStore, restores::RestoreStore,
    route_health::RouteHealth, templates::TemplateStore, tenants::TenantsTable,
};
use tokio::sync::OnceCell;
use twilio_client::{AccountClient, TwilioClient};
use twilio_types::sid::AccountSid;

use crate::{
    aws,
    copyable::CopyableCommands,
    error::CommandError,
    globals::Globals,
    output::CommandOutput,
    stack::DeployedStack,
    terminal::Terminal,
    twilio::{client, credentials_in_environment, credentials_in_secret},
};

/// One run of the command.
pub struct Session {
    globals: Globals,
    pub terminal: Terminal,
    pub output: CommandOutput,
    aws: OnceCell<SdkConfig>,
    stack: OnceCell<DeployedStack>,
    accounts: OnceCell<Accounts>,
    tenants: OnceCell<Tenants>,
    erasure_key: OnceCell<ErasureKey>,
    announced: OnceCell<()>,
}

impl Session {
    pub fn new(globals: Globals) -> Self {
        Self {
            terminal: Terminal::new(globals.yes),
            output: CommandOutput::new(globals.output),
            globals,
            aws: OnceCell::new(),
            stack: OnceCell::new(),
            accounts: OnceCell::new(),
            tenants: OnceCell::new(),
            erasure_key: OnceCell::new(),
            announced: OnceCell::new(),
        }
    }

    /// The configuration of AWS clients.
    pub async fn aws(&self) -> Result<&SdkConfig, CommandError> {
        self.aws.get_or_try_init(async || aws::load(&self.globals).await).await
    }

    pub async fn stack(&self) -> Result<&DeployedStack, CommandError> {
        self.stack.get_or_try_init(async || DeployedStack::find(self.aws().await?, &self.globals.stack).await).await
    }

    /// Says on the standard error which stack and which accounts are about to be changed. Each command that changes something
    /// calls it before its first question and before its first change; a second call prints nothing.
    pub async fn announce_change(&self) -> Result<(), CommandError> {
        let announce = async || {
            let (stack, account_sid) = (self.stack().await?, self.account_sid().await?);
            self.terminal.note(&stack.place(self.aws().await?, &account_sid));
            Ok::<_, CommandError>(())
        };
        self.announced.get_or_try_init(announce).await.map(drop)
    }

    /// Commands that work on the same stack as this one, for people to copy.
    pub fn copyable(&self) -> CopyableCommands {
        let Globals { stack, profile, region, .. } = &self.globals;
        CopyableCommands { stack: stack.clone(), profile: profile.clone(), region: region.clone() }
    }

    /// The account that `--account-sid` names.
    pub fn named_account(&self) -> Option<&AccountSid> {
        self.globals.account_sid.as_ref()
    }

    /// The account that the command is about: the named one, or else the stack's.
    pub async fn account_sid(&self) -> Result<AccountSid, CommandError> {
        match self.named_account() {
            Some(account_sid) => Ok(account_sid.clone()),
            None => Ok(self.stack().await?.account_sid.clone()),
        }
    }

    /// The accounts in the stack's Twilio secret.
    pub async fn accounts(&self) -> Result<&Accounts, CommandError> {
        let read = async || {
            let client = aws_sdk_secretsmanager::Client::new(self.aws().await?);
            let secret_id = self.stack().await?.output("TwilioSecretArn")?;
            Ok::<_, CommandError>(secrets::read(&client, secret_id).await?)
        };
        self.accounts.get_or_try_init(read).await
    }

    /// Twilio, at the base URL that the stack uses.
    pub async fn twilio_client(&self) -> Result<TwilioClient, CommandError> {
        Ok(client(self.stack().await?.twilio_api_base_url.clone(), self.globals.debug)?)
    }

    /// The account's calls to Twilio, with the credentials of the environment or else of the stack's secret.
    pub async fn twilio(&self) -> Result<AccountClient, CommandError> {
        self.twilio_of(&self.account_sid().await?).await
    }

    /// The calls of this account, with credentials from the same places.
    pub async fn twilio_of(&self, account_sid: &AccountSid) -> Result<AccountClient, CommandError> {
        let credentials = match credentials_in_environment(account_sid) {
            Some(credentials) => credentials,
            None => credentials_in_secret(self.accounts().await?, account_sid)?,
        };
        Ok(self.twilio_client().await?.account(account_sid.clone(), credentials))
    }

    pub async fn dynamodb(&self) -> Result<aws_sdk_dynamodb::Client, CommandError> {
        Ok(aws_sdk_dynamodb::Client::new(self.aws().await?))
    }

    pub async fn tenants_table(&self) -> Result<TenantsTable, CommandError> {
        let table = self.stack().await?.output("TenantsTableName")?;
        Ok(TenantsTable::new(self.dynamodb().await?, table.to_owned()))
    }

    /// The settings of all accounts, as a function of the stack would have them now.
    pub async fn tenants(&self) -> Result<&Tenants, CommandError> {
        let read = async || {
            let stack = self.stack().await?;
            let parameters = AccountSettings {
                policy: stack.policy.clone(),
                senders: stack.messaging_service_sid.clone().into(),
                templates: stack.template_settings.clone(),
                opt_out: stack.opt_out()?,
                retention: stack.message_retention()?,
                ..AccountSettings::default()
            };
            let parameters = Tenants::of_parameters(Arc::new(parameters), Some(stack.account_sid.clone()));
            // A stack of an older template has no such table.
            let Ok(table) = self.tenants_table().await else { return Ok(parameters) };
            let stored = match table.current().await? {
                Some(version) => table.version(version).await?,
                None => None,
            };
            let Some(stored) = stored else { return Ok(parameters) };
            let document = TenantsDocument::parse(&stored.text)
                .map_err(|problem| CommandError::refused(format!("the tenants document is not valid: {problem}")))?;
            Ok::<_, CommandError>(parameters.with_document(stored.record.number, document))
        };
        self.tenants.get_or_try_init(read).await
    }

    pub async fn contacts(&self) -> Result<Contacts, CommandError> {
        let table = self.stack().await?.output("ContactsTableName")?;
        Ok(Contacts::new(self.dynamodb().await?, table.to_owned(), self.erasure_key().await?.clone()))
    }

    /// The key under which the stack remembers erased people.
    pub async fn erasure_key(&self) -> Result<&ErasureKey, CommandError> {
        let read = async || {
            let client = aws_sdk_secretsmanager::Client::new(self.aws().await?);
            Ok::<_, CommandError>(read_key(&client, self.stack().await?.output("ErasureKeySecretArn")?).await?)
        };
        self.erasure_key.get_or_try_init(read).await
    }

    pub async fn messages(&self) -> Result<Messages, CommandError> {
        let table = self.stack().await?.output("MessagesTableName")?;
        Ok(Messages::new(self.dynamodb().await?, table.to_owned()))
    }

    pub async fn histories(&self) -> Result<NotificationLogs, CommandError> {
        Ok(NotificationLogs { notifications: self.notifications().await?, messages: self.messages().await? })
    }

    pub async fn pauses(&self) -> Result<PauseStore, CommandError> {
        let table = self.stack().await?.output("RateLimitsTableName")?;
        Ok(PauseStore::new(self.dynamodb().await?, table.to_owned()))
    }

    /// The registry of templates; empty for a stack that has none.
    pub async fn templates(&self, account_sid: &AccountSid) -> Result<TemplateRegistry, CommandError> {
        let Ok(table) = self.stack().await?.output("TemplatesTableName") else {
            return Ok(TemplateRegistry::default());
        };
        let store = TemplateStore::new(self.dynamodb().await?, table.to_owned());
        let synced_at = store.sync_state(account_sid).await?.synced_at;
        let stored = store.all(account_sid).await?.templates;
        Ok(TemplateRegistry::new(stored.into_iter().map(|stored| stored.template), synced_at))
    }

    pub async fn restores(&self) -> Result<RestoreStore, CommandError> {
        let table = self.stack().await?.output("RateLimitsTableName")?;
        Ok(RestoreStore::new(self.dynamodb().await?, table.to_owned()))
    }

    pub async fn route_health(&self) -> Result<RouteHealth, CommandError> {
        let table = self.stack().await?.output("RateLimitsTableName")?;
        Ok(RouteHealth::new(self.dynamodb().await?, table.to_owned()))
    }

    pub async fn canceller(&self) -> Result<NotificationCanceller, CommandError> {
        Ok(NotificationCanceller { notifications: self.notifications().await?, contacts: self.contacts().await? })
    }

    pub async fn notifications(&self) -> Result<Notifications, CommandError> {
        let table = self.stack().await?.output("NotificationsTableName")?;
        let retention = self.stack().await?.message_retention()?;
        Ok(Notifications::new(self.dynamodb().await?, table.to_owned()).with_retention(retention))
    }
}
