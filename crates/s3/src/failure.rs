//! What went wrong, in words for operators: without addresses, keys or signatures.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use spicyjump_domain::images::ImageStoreError;

pub(crate) fn unavailable<E: ProvideErrorMetadata>(error: &SdkError<E>) -> ImageStoreError {
    let reason = match error {
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "no answer in time".to_owned(),
        SdkError::DispatchFailure(_) => "the connection failed".to_owned(),
        SdkError::ResponseError(_) => "an answer that is not S3's".to_owned(),
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            refused.err().code().map_or_else(
                || format!("refused with {status}"),
                |code| format!("refused with {status} {code}"),
            )
        }
        _ => "the request could not be made".to_owned(),
    };
    ImageStoreError::Unavailable(reason)
}
