//! Objects of types that are only known by name: the same requests as for the types that are read field by field.

use serde_json::Value;

use crate::client::{Client, Query};
use crate::error::ClientError;
use crate::objects::Resource;

/// A collection of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// The name of the type, such as `registry`.
    pub kind: &'static str,
    /// The name in links, such as `registries`.
    pub plural: &'static str,
    /// Whether it lies outside environments.
    pub at_root: bool,
}

impl Client {
    /// Whether the server has the type, for this caller.
    ///
    /// # Errors
    /// As any request.
    pub async fn offers(&self, collection: Collection) -> Result<bool, ClientError> {
        Ok(self.schemas().await?.get(collection.kind).is_some())
    }

    /// All objects that pass the filters, over all pages.
    ///
    /// # Errors
    /// As any request.
    pub async fn list_of(&self, collection: Collection, query: &Query) -> Result<Vec<Resource>, ClientError> {
        self.list_as(collection.plural, collection.at_root, query).await
    }

    /// The first objects that pass the filters, one page of them.
    ///
    /// # Errors
    /// As any request.
    pub async fn page_of(
        &self,
        collection: Collection,
        query: &Query,
        limit: u32,
    ) -> Result<Vec<Resource>, ClientError> {
        #[derive(serde::Deserialize)]
        struct Page {
            data: Vec<Resource>,
        }
        let mut url = self.url(collection.at_root, &[collection.plural]);
        url.query_pairs_mut().append_pair("limit", &limit.to_string()).extend_pairs(query.pairs());
        Ok(self.ask::<Page>(&reqwest::Method::GET, &url, None).await?.data)
    }

    /// One object by its id; `None` if there is none.
    ///
    /// # Errors
    /// As any request.
    pub async fn find_in(&self, collection: Collection, id: &str) -> Result<Option<Resource>, ClientError> {
        let url = self.url(collection.at_root, &[collection.plural, id]);
        match self.ask::<Resource>(&reqwest::Method::GET, &url, None).await {
            // The wire does not check the letters of an id.
            Ok(found) => Ok(Some(found).filter(|found| found.meta.id.eq_ignore_ascii_case(id))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object.
    ///
    /// # Errors
    /// As any request; what is wrong with the input is an [`crate::ApiError`].
    pub async fn create_in(&self, collection: Collection, input: &Value) -> Result<Resource, ClientError> {
        let url = self.url(collection.at_root, &[collection.plural]);
        self.ask(&reqwest::Method::POST, &url, Some(input)).await
    }

    /// Changes the given fields of an object.
    ///
    /// # Errors
    /// As any request.
    pub async fn update_in(
        &self,
        collection: Collection,
        id: &str,
        input: &Value,
    ) -> Result<Resource, ClientError> {
        let url = self.url(collection.at_root, &[collection.plural, id]);
        self.ask(&reqwest::Method::PUT, &url, Some(input)).await
    }

    /// Removes an object.
    ///
    /// # Errors
    /// As any request.
    pub async fn delete_in(&self, collection: Collection, id: &str) -> Result<(), ClientError> {
        let url = self.url(collection.at_root, &[collection.plural, id]);
        self.send(&reqwest::Method::DELETE, &url, None).await.map(drop)
    }

    /// Does what an object offers; gives the answer as it came.
    ///
    /// # Errors
    /// As any request; an action that the object does not offer now is refused here.
    pub async fn act_on(
        &self,
        resource: &Resource,
        action: &str,
        input: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let link = self.action_url(&resource.meta, action)?;
        self.ask(&reqwest::Method::POST, &link, input).await
    }
}
