// Calls WeChat with the token that evertoken keeps fresh: go run . REDIS_URL WECHAT_URL
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// The errcodes that say that a token is dead.
var dead = map[int]bool{40001: true, 40014: true, 42001: true}

type answer struct {
	Errcode int      `json:"errcode"`
	Errmsg  string   `json:"errmsg,omitempty"`
	IPs     []string `json:"ip_list,omitempty"`
}

type request func(token string) (answer, error)

func currentToken(ctx context.Context, store *redis.Client) (string, error) {
	token, err := store.Get(ctx, "evertoken:{shop}:token").Result()
	if errors.Is(err, redis.Nil) {
		return "", errors.New("no token of shop is valid: `evertoken status` tells why")
	}
	return token, err
}

// replaced reports a dead token if it still stands; it tells what stands then, or five seconds later.
func replaced(ctx context.Context, store *redis.Client, token string) (string, error) {
	newer, err := currentToken(ctx, store)
	if err != nil || newer != token {
		return newer, err
	}
	if err := store.Set(ctx, "evertoken:{shop}:rejected", token, 10*time.Minute).Err(); err != nil {
		return "", err
	}
	store.Publish(ctx, "evertoken:rejected", "shop")
	for tries := 0; tries < 50 && err == nil && newer == token; tries++ {
		time.Sleep(100 * time.Millisecond)
		newer, err = currentToken(ctx, store)
	}
	return newer, err
}

func call(ctx context.Context, store *redis.Client, send request) (answer, error) {
	token, err := currentToken(ctx, store)
	if err != nil {
		return answer{}, err
	}
	got, err := send(token)
	if err != nil || !dead[got.Errcode] {
		return got, err
	}
	newer, err := replaced(ctx, store, token)
	if err != nil || newer == token {
		return got, err
	}
	return send(newer)
}

func main() {
	ctx := context.Background()
	options, err := redis.ParseURL(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	store := redis.NewClient(options)
	defer store.Close()
	got, err := call(ctx, store, func(token string) (answer, error) {
		var got answer
		page := os.Args[2] + "/cgi-bin/get_api_domain_ip?access_token=" + url.QueryEscape(token)
		response, err := http.Get(page)
		if err != nil {
			return got, err
		}
		defer response.Body.Close()
		err = json.NewDecoder(response.Body).Decode(&got)
		return got, err
	})
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}
