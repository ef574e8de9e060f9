#include "common/kube/http_engine.h"

#include <curl/curl.h>

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/status_macros.h"

namespace xpu {

class HttpEngine::Transfer {
 public:
  Transfer(HttpCall request, Callbacks callbacks)
      : request_(std::move(request)), callbacks_(std::move(callbacks)) {}
  ~Transfer() {
    if (easy_ != nullptr) curl_easy_cleanup(easy_);
    curl_slist_free_all(headers_);
    curl_slist_free_all(connect_to_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* easy() const { return easy_; }

  // Makes the easy handle; false when libcurl has no memory for it.
  bool Prepare(const Options& options) {
    easy_ = curl_easy_init();
    if (easy_ == nullptr) return false;
    url_ = absl::StrCat(options.base_url, request_.target);
    Set(CURLOPT_URL, url_.c_str());
    Set(CURLOPT_PATH_AS_IS, 1L);
    Set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    // With TLS, where the handshake tells who speaks HTTP/2, many watches share a connection; in the clear
    // each has its own, and none waits to see whether another would share.
    const bool tls = absl::StartsWith(options.base_url, "https://");
    Set(CURLOPT_HTTP_VERSION, static_cast<long>(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    Set(CURLOPT_PIPEWAIT, tls ? 1L : 0L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_TCP_KEEPALIVE, 1L);
    Set(CURLOPT_TCP_KEEPIDLE, 30L);
    Set(CURLOPT_TCP_KEEPINTVL, 10L);
    Set(CURLOPT_USERAGENT, "xpu");
    Set(CURLOPT_ERRORBUFFER, error_);
    Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(options.connect_timeout)));
    if (request_.timeout != absl::InfiniteDuration()) {
      Set(CURLOPT_TIMEOUT_MS,
          static_cast<long>(std::max<int64_t>(1, absl::ToInt64Milliseconds(request_.timeout))));
    }
    if (!options.unix_socket.empty()) {
      Set(CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str());
      Set(CURLOPT_NOPROXY, "*");
    }
    if (!options.proxy.empty()) Set(CURLOPT_PROXY, options.proxy.c_str());
    if (!options.ca.empty()) SetBlob(CURLOPT_CAINFO_BLOB, options.ca);
    if (!options.ca_file.empty()) Set(CURLOPT_CAINFO, options.ca_file.c_str());
    if (!request_.certificate.empty()) SetBlob(CURLOPT_SSLCERT_BLOB, request_.certificate);
    if (!request_.key.empty()) SetBlob(CURLOPT_SSLKEY_BLOB, request_.key);
    if (!options.tls_server_name.empty() && !ExpectName(options)) return false;
    for (const std::string& header : request_.headers) headers_ = curl_slist_append(headers_, header.c_str());
    // Without "Expect", a large body goes out at once.
    headers_ = curl_slist_append(headers_, "Expect:");
    Set(CURLOPT_HTTPHEADER, headers_);
    if (!request_.body.empty()) {
      Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      Set(CURLOPT_POSTFIELDS, request_.body.c_str());
    }
    Set(CURLOPT_WRITEFUNCTION, &Transfer::OnData);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_PRIVATE, this);
    return true;
  }

  void Done(CURLcode code, const std::string& server) {
    if (code == CURLE_OK) {
      response_.code = ResponseCode();
      return Done(std::move(response_));
    }
    const std::string text =
        absl::StrCat(request_.method, " ", request_.target, " at ", server, ": ", Reason(code, server));
    if (code == CURLE_OPERATION_TIMEDOUT) return Done(absl::DeadlineExceededError(text));
    Done(absl::UnavailableError(text));
  }
  void Done(absl::StatusOr<HttpAnswer> result) {
    if (auto done = std::exchange(callbacks_.done, nullptr)) done(std::move(result));
  }
  void Silence() { callbacks_ = {}; }

 private:
  template <class T>
  void Set(CURLoption option, T value) {
    curl_easy_setopt(easy_, option, value);
  }
  void SetBlob(CURLoption option, const std::string& bytes) {
    curl_blob blob{.data = const_cast<char*>(bytes.data()), .len = bytes.size(), .flags = CURL_BLOB_NOCOPY};
    curl_easy_setopt(easy_, option, &blob);
  }
  // libcurl checks the certificate against the URL's host: that becomes the name, and the connection goes
  // where the host was.
  bool ExpectName(const Options& options) {
    CURLU* const url = curl_url();
    char *host = nullptr, *port = nullptr, *renamed = nullptr;
    const bool good = curl_url_set(url, CURLUPART_URL, url_.c_str(), 0) == CURLUE_OK &&
                      curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                      curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                      curl_url_set(url, CURLUPART_HOST, options.tls_server_name.c_str(), 0) == CURLUE_OK &&
                      curl_url_get(url, CURLUPART_URL, &renamed, 0) == CURLUE_OK;
    if (good) {
      headers_ = curl_slist_append(headers_, absl::StrCat("Host: ", host, ":", port).c_str());
      connect_to_ = curl_slist_append(nullptr, absl::StrCat("::", host, ":", port).c_str());
      Set(CURLOPT_CONNECT_TO, connect_to_);
      url_ = renamed;
      Set(CURLOPT_URL, url_.c_str());
    }
    curl_free(host);
    curl_free(port);
    curl_free(renamed);
    curl_url_cleanup(url);
    return good;
  }
  int ResponseCode() const {
    long code = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
  }
  std::string Reason(CURLcode code, const std::string& server) const {
    long os_error = 0;
    // For a unix socket, libcurl would name a host and a port that nobody asked for.
    if (code == CURLE_COULDNT_CONNECT && server.rfind("unix:", 0) == 0 &&
        curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &os_error) == CURLE_OK && os_error != 0) {
      return std::generic_category().message(static_cast<int>(os_error));
    }
    return error_[0] != '\0' ? error_ : curl_easy_strerror(code);
  }
  static size_t OnHeader(char* data, size_t size, size_t count, void* arg) {
    auto* self = static_cast<Transfer*>(arg);
    const absl::string_view line(data, size * count);
    constexpr absl::string_view kName = "retry-after:";
    if (absl::StartsWithIgnoreCase(line, kName)) {
      // The other form, a date, is not in use here.
      int64_t seconds = 0;
      if (absl::SimpleAtoi(absl::StripAsciiWhitespace(line.substr(kName.size())), &seconds) && seconds >= 0) {
        self->response_.retry_after = absl::Seconds(seconds);
      }
    }
    return line.size();
  }
  static size_t OnData(char* data, size_t size, size_t count, void* arg) {
    auto* self = static_cast<Transfer*>(arg);
    const absl::string_view piece(data, size * count);
    if (self->callbacks_.data) {
      if (!self->callbacks_.data(self->ResponseCode(), piece)) return CURL_WRITEFUNC_PAUSE;
    } else {
      absl::StrAppend(&self->response_.body, piece);
    }
    return piece.size();
  }

  const HttpCall request_;
  Callbacks callbacks_;
  std::string url_;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  HttpAnswer response_;
  char error_[CURL_ERROR_SIZE] = "";
};

absl::StatusOr<std::unique_ptr<HttpEngine>> HttpEngine::Start(Options options) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* multi = ready == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) return absl::InternalError("libcurl cannot be set up");
  return std::unique_ptr<HttpEngine>(new HttpEngine(std::move(options), multi));
}

HttpEngine::HttpEngine(Options options, void* multi)
    : options_(std::move(options)), multi_(multi), thread_([this] { Run(); }) {}

HttpEngine::~HttpEngine() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  curl_multi_wakeup(multi_);
  thread_.join();
  curl_multi_cleanup(multi_);
}

std::shared_ptr<HttpEngine::Transfer> HttpEngine::Begin(HttpCall request, Callbacks callbacks) {
  auto transfer = std::make_shared<Transfer>(std::move(request), std::move(callbacks));
  {
    absl::MutexLock lock(&mu_);
    added_.push_back(transfer);
  }
  curl_multi_wakeup(multi_);
  return transfer;
}

void HttpEngine::Cancel(const std::shared_ptr<Transfer>& transfer) {
  {
    absl::MutexLock lock(&mu_);
    cancelled_.push_back(transfer);
  }
  curl_multi_wakeup(multi_);
}

void HttpEngine::Resume(const std::shared_ptr<Transfer>& transfer) {
  {
    absl::MutexLock lock(&mu_);
    resumed_.push_back(transfer);
  }
  curl_multi_wakeup(multi_);
}

absl::StatusOr<HttpAnswer> HttpEngine::Perform(HttpCall request) {
  absl::StatusOr<HttpAnswer> answer = absl::UnknownError("no answer");
  absl::Notification done;
  Begin(std::move(request), {nullptr, [&](absl::StatusOr<HttpAnswer> result) {
                               answer = std::move(result);
                               done.Notify();
                             }});
  done.WaitForNotification();
  return answer;
}

void HttpEngine::Run() {
  while (true) {
    TakeOrders();
    {
      absl::MutexLock lock(&mu_);
      if (stop_) break;
    }
    int running = 0;
    curl_multi_perform(multi_, &running);
    Finish();
    // Until a socket is ready, one of curl's timers is due or someone calls curl_multi_wakeup().
    curl_multi_poll(multi_, nullptr, 0, std::numeric_limits<int>::max(), nullptr);
  }
  for (const auto& transfer : running_) {
    curl_multi_remove_handle(multi_, transfer->easy());
    transfer->Done(absl::CancelledError("the client is being closed"));
  }
  running_.clear();
}

void HttpEngine::TakeOrders() {
  std::deque<std::shared_ptr<Transfer>> added;
  std::deque<std::shared_ptr<Transfer>> cancelled;
  std::deque<std::shared_ptr<Transfer>> resumed;
  {
    absl::MutexLock lock(&mu_);
    added.swap(added_);
    cancelled.swap(cancelled_);
    resumed.swap(resumed_);
  }
  for (const auto& transfer : added) Add(transfer);
  for (const auto& transfer : cancelled) {
    transfer->Silence();
    const auto it = std::find(running_.begin(), running_.end(), transfer);
    if (it == running_.end()) continue;
    curl_multi_remove_handle(multi_, transfer->easy());
    running_.erase(it);
  }
  for (const auto& transfer : resumed) {
    const bool runs = std::find(running_.begin(), running_.end(), transfer) != running_.end();
    if (runs) curl_easy_pause(transfer->easy(), CURLPAUSE_CONT);
  }
}

void HttpEngine::Add(const std::shared_ptr<Transfer>& transfer) {
  if (!transfer->Prepare(options_) || curl_multi_add_handle(multi_, transfer->easy()) != CURLM_OK) {
    return transfer->Done(absl::ResourceExhaustedError("libcurl has no memory for another request"));
  }
  running_.push_back(transfer);
}

void HttpEngine::Finish() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    CURL* const easy = message->easy_handle;
    const auto it = std::find_if(running_.begin(), running_.end(),
                                 [easy](const auto& transfer) { return transfer->easy() == easy; });
    const std::shared_ptr<Transfer> transfer = *it;
    curl_multi_remove_handle(multi_, easy);
    running_.erase(it);
    transfer->Done(code, options_.unix_socket.empty() ? options_.base_url : "unix:" + options_.unix_socket);
  }
}

}  // namespace xpu
